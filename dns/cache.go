package dns

import (
	"encoding/binary"
	"sync"
	"weak"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/importer"
)

// cache holds packed replies that depend on one Service alone, so that they hold for as long as the View has that very
// Service: there is nothing to expire and nobody to tell. It is bounded, and forgets what was not asked for since about
// as many other questions as it holds. Any goroutine may use it; so that none waits, each that reads UDP has one of its
// own.
type cache struct {
	mu         sync.Mutex
	young, old map[string]cached // by key
	bytes      int               // of young
	limit      int               // of young, and so of old
}

// cached is a reply and what it depends on. It does not keep a Service that is no more: many replies could hold one
// each of a service that changes all the time.
type cached struct {
	name    federation.ServiceName
	service weak.Pointer[importer.Service]
	reply   *packed
}

// cachedSize is about what a reply takes beside its own bytes and its key.
const cachedSize = 256

func newCache(limit int) *cache {
	return &cache{young: map[string]cached{}, limit: limit / 2}
}

// get returns the reply to the question with that key if it holds in the View.
func (c *cache) get(key []byte, view *importer.View) *packed {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, found := c.young[string(key)]
	if !found {
		if e, found = c.old[string(key)]; !found {
			return nil
		}
	}
	s := e.service.Value()
	if s == nil || view.Service(e.name) != s {
		return nil
	}
	if _, young := c.young[string(key)]; !young {
		c.keep(key, e)
	}
	return e.reply
}

// put keeps a reply.
func (c *cache) put(key []byte, e cached) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.keep(key, e)
}

func (c *cache) keep(key []byte, e cached) {
	size := e.size(len(key))
	if size > c.limit {
		return
	}
	if before, found := c.young[string(key)]; found {
		c.bytes -= before.size(len(key))
	}
	if c.bytes+size > c.limit {
		c.young, c.old, c.bytes = map[string]cached{}, c.young, 0
	}
	c.young[string(key)] = e
	c.bytes += size
}

// size returns about how many bytes a reply takes with a key of that length.
func (e cached) size(key int) int { return cachedSize + key + e.reply.size() }

// appendKey appends the key of a question: its name in lower case, then its type and class.
func appendKey(b []byte, r *request) []byte {
	for _, c := range r.name { // lengths of labels are below 'A'
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		b = append(b, c)
	}
	b = binary.BigEndian.AppendUint16(b, r.qtype)
	return binary.BigEndian.AppendUint16(b, r.qclass)
}
