// Copyright 2024 The Authors.
#include <vector>
#include "absl/log.h"

namespace app {
namespace {

constexpr int kTable[] = {
    1, 2,
    3,
};

}  // namespace

// A queue.
template <typename T>
class Queue : public Base<T> {
 public:
  // Adds a value.
  void Push(const T& value) {
    items_.push_back(value);
  }

  // How many there are.
  size_t size() const;

  int plain() const;

  ~Queue() { Clear(); }

 private:
  struct Node {
    int value;
  };
  std::vector<T> items_;
};

template <typename T>
size_t Queue<T>::size() const {
  return items_.size();
}

app::Queue<int>& app::Global::Instance() {
  static Queue<int> queue;
  return *Make(queue);
}

bool operator==(const Node& a, const Node& b) { return a.value == b.value; }

enum class Color { kRed, kBlue };

}  // namespace app

TEST(QueueTest, Pushes) {
  app::Queue<int> q;
  EXPECT_EQ(q.size(), 0);
}
