// Package cache keeps values.
package cache

import (
	"fmt"
	str "strings"
)

const (
	Small = 1
	Large = 2
)

// Cache holds values by key.
type Cache[K comparable] struct {
	items map[K]string
}

type Store interface {
	Get(key string) string
}

type ID int

// Get returns a value.
// It may be empty.
func (c *Cache[K]) Get(key K) string {
	// look it up
	return str.TrimSpace(c.items[key])
}

func New() *Cache[string] {
	f := func() {}
	f()
	return &Cache[string]{}
}

func TestGet(t *testing.T) {
	t.Run("empty", func(t *testing.T) { fmt.Println(New()) })
}
