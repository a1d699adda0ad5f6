package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

const (
	chunkSize = 16 << 10
	// maxChunks bounds what is on its way in one direction.
	maxChunks = 64
	// openingTime is how long a connection may take to say what it is for.
	openingTime = 15 * time.Second
	// handshakeRecord is the type of a TLS record with a ClientHello (RFC 8446, 5.1).
	handshakeRecord = 22
)

// line is a connection through the network.
type line struct {
	pair             // who dialed whom
	traffic          traffic
	dialer, listener *net.TCPConn
	net              *network

	last   atomic.Int64 // when a byte came, either way, in Unix nanoseconds
	forgot atomic.Bool  // nothing arrives any more
}

// run moves bytes both ways until both directions have ended, or ctx does. opening is what was read already.
func (l *line) run(ctx context.Context, opening []byte) {
	ctx, end := context.WithCancel(ctx)
	defer end()
	stop := context.AfterFunc(ctx, l.cut)
	defer stop()
	l.touch()
	there := flow{line: l, way: l.pair, from: l.dialer, to: l.listener}
	back := flow{line: l, way: pair{l.to, l.from}, from: l.listener, to: l.dialer}
	var reading, writing sync.WaitGroup
	for _, f := range []flow{there, back} {
		chunks := make(chan chunk, maxChunks)
		if f.from == l.dialer {
			chunks <- f.stamp(opening)
		}
		reading.Go(func() { f.read(ctx, chunks) })
		writing.Go(func() { f.write(ctx, chunks) })
	}
	writing.Wait()
	end()
	l.cut()
	reading.Wait()
}

// cut resets both ends.
func (l *line) cut() {
	reset(l.dialer)
	reset(l.listener)
}

func (l *line) touch() { l.last.Store(time.Now().UnixNano()) }

// reset closes a connection so that the other end is told that it broke.
func reset(c *net.TCPConn) {
	_ = c.SetLinger(0)
	_ = c.Close()
}

// flow is one direction of a line.
type flow struct {
	line     *line
	way      pair // who sends to whom
	from, to *net.TCPConn
}

// chunk is what is on its way: bytes, or the end.
type chunk struct {
	data []byte
	due  time.Time
	end  error
}

// stamp says when bytes that came now arrive.
func (f flow) stamp(data []byte) chunk {
	r := f.line.net.look(f.way, f.line.traffic)
	due := time.Now().Add(r.delay)
	if r.jitter > 0 {
		due = due.Add(rand.N(r.jitter))
	}
	return chunk{data: data, due: due}
}

func (f flow) read(ctx context.Context, out chan<- chunk) {
	for {
		buffer := make([]byte, chunkSize)
		n, err := f.from.Read(buffer)
		if n > 0 {
			f.line.note(f.line.net.look(f.way, f.line.traffic).idle)
		}
		for _, c := range []chunk{f.stamp(buffer[:n]), {end: err}} {
			if len(c.data) == 0 && c.end == nil {
				continue
			}
			select {
			case out <- c:
			case <-ctx.Done():
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// note takes note of a byte; the line is forgotten if that comes too late.
func (l *line) note(idle time.Duration) {
	if idle > 0 && time.Since(time.Unix(0, l.last.Load())) > idle {
		l.forgot.Store(true)
	}
	l.touch()
}

// write lets chunks arrive, in their order and when the rule lets them.
func (f flow) write(ctx context.Context, in <-chan chunk) {
	for {
		select {
		case c := <-in:
			if !sleep(ctx, time.Until(c.due)) || !f.pass(ctx) {
				return
			}
			if c.end != nil {
				f.finish(c.end)
				return
			}
			if !f.deliver(ctx, c.data) {
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

// pass waits while the way is held, and reports whether ctx still lasts. What is forgotten stays so for ever.
func (f flow) pass(ctx context.Context) bool {
	for {
		r, changed := f.line.net.watch(f.way, f.line.traffic)
		if !r.hold && !f.line.forgot.Load() {
			return true
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return false
		}
	}
}

// finish tells the other end how this one ended.
func (f flow) finish(err error) {
	if !errors.Is(err, io.EOF) || f.to.CloseWrite() != nil {
		reset(f.to)
	}
}

// deliver writes bytes, no faster than the rule says, and reports whether it could.
func (f flow) deliver(ctx context.Context, data []byte) bool {
	for len(data) > 0 {
		n := len(data)
		rate := f.line.net.look(f.way, f.line.traffic).rate
		if rate > 0 {
			n = min(n, max(1, rate/10))
		}
		if _, err := f.to.Write(data[:n]); err != nil {
			return false
		}
		data = data[n:]
		if rate > 0 && !sleep(ctx, time.Second*time.Duration(n)/time.Duration(rate)) || !f.pass(ctx) {
			return false
		}
	}
	return true
}

// sleep waits, and reports whether ctx still lasts.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// readOpening reads the first TLS record of a connection, whose ALPN says in the clear what it is for. What is no TLS
// is passed on as it is.
func readOpening(conn *net.TCPConn) (opening []byte, what traffic, err error) {
	if err := conn.SetReadDeadline(time.Now().Add(openingTime)); err != nil {
		return nil, "", err
	}
	header := make([]byte, 5)
	if _, err := io.ReadFull(conn, header); err != nil {
		return nil, "", err
	}
	opening = header
	if header[0] == handshakeRecord {
		body := make([]byte, binary.BigEndian.Uint16(header[3:]))
		if _, err := io.ReadFull(conn, body); err != nil {
			return nil, "", err
		}
		opening = append(header, body...)
	}
	what = streamTraffic
	if bytes.Contains(opening, []byte("hansa-gossip/1")) {
		what = gossipTraffic
	}
	return opening, what, conn.SetReadDeadline(time.Time{})
}
