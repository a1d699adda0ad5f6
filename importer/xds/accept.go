package xds

import (
	"net"
	"net/netip"
	"sync"
)

// doorkeeper is a listener that takes so many connections at a time, in all and from one address, and closes others at once:
// one that is not taken would wait without an answer, and could not turn to another replica.
type doorkeeper struct {
	net.Listener
	most   int
	turned func() // is called for each that is closed

	mu   sync.Mutex
	open int
	from map[netip.Addr]int
}

func newDoorkeeper(l net.Listener, most int, turned func()) *doorkeeper {
	return &doorkeeper{Listener: l, most: most, turned: turned, from: map[netip.Addr]int{}}
}

// Accept implements net.Listener.
func (d *doorkeeper) Accept() (net.Conn, error) {
	for {
		conn, err := d.Listener.Accept()
		if err != nil {
			return nil, err
		}
		address := addressOf(conn.RemoteAddr())
		if d.enter(address) {
			return &visitor{conn, sync.OnceFunc(func() { d.leave(address) })}, nil
		}
		_ = conn.Close() // who is turned away needs no more
		d.turned()
	}
}

func (d *doorkeeper) enter(address netip.Addr) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.open >= d.most || d.from[address] >= fair(d.most) {
		return false
	}
	d.open++
	d.from[address]++
	return true
}

func (d *doorkeeper) leave(address netip.Addr) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.open--
	if d.from[address]--; d.from[address] == 0 {
		delete(d.from, address)
	}
}

// visitor is a connection that was taken.
type visitor struct {
	net.Conn
	leave func()
}

// Close implements net.Conn. It may be called more than once.
func (v *visitor) Close() error {
	defer v.leave()
	return v.Conn.Close()
}
