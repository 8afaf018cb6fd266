package mailer

import (
	"errors"
	"testing"
)

func TestPushReturnsErrFull(t *testing.T) {
	q := NewQueue(1)
	q.Push(Message{To: "a@example.org"})
	if err := q.Push(Message{To: "b@example.org"}); !errors.Is(err, ErrFull) {
		t.Fatalf("got %v", err)
	}
}

func TestFailedMessagesBecomeDeadLetters(t *testing.T) {
	q := NewQueue(1)
	q.Push(Message{To: "a@example.org"})
	q.Drain(func(Message) error { return errors.New("no") }, 1)
	if len(q.DeadLetters()) != 1 {
		t.Fatal("the message was lost")
	}
}
