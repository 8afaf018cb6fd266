// Package mailer sends what the shop has to say, later and in order.
package mailer

import (
	"errors"
	"sync"
)

// ErrFull means that the queue holds as many messages as it may.
var ErrFull = errors.New("mailer: queue is full")

// Message is one mail to one address.
type Message struct {
	To, Template string
	Tries        int
}

// Queue holds messages until they are sent. The zero value is not usable; see NewQueue.
type Queue struct {
	mu       sync.Mutex
	waiting  []Message
	dead     []Message
	capacity int
}

// NewQueue makes a queue for at most capacity messages.
func NewQueue(capacity int) *Queue {
	return &Queue{capacity: capacity}
}

// Push appends a message. It returns ErrFull instead of waiting.
func (q *Queue) Push(m Message) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) >= q.capacity {
		return ErrFull
	}
	q.waiting = append(q.waiting, m)
	return nil
}

// Drain sends everything that waits. A message that fails maxTries times goes to the dead letters.
func (q *Queue) Drain(send func(Message) error, maxTries int) int {
	q.mu.Lock()
	batch := q.waiting
	q.waiting = nil
	q.mu.Unlock()
	sent := 0
	for _, m := range batch {
		if err := send(m); err == nil {
			sent++
			continue
		}
		m.Tries++
		q.requeue(m, maxTries)
	}
	return sent
}

func (q *Queue) requeue(m Message, maxTries int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if m.Tries >= maxTries {
		q.dead = append(q.dead, m)
		return
	}
	q.waiting = append(q.waiting, m)
}

func (q *Queue) DeadLetters() []Message {
	q.mu.Lock()
	defer q.mu.Unlock()
	return append([]Message(nil), q.dead...)
}
