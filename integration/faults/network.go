package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"sync"

	"github.com/hansa-mcs/hansa/cmd/hansa-agent/agent"
)

// network is what lies between members. Each has its own loopback addresses, from which it is known who dials, and a
// front, the one address of it that others are told. All methods may be called from any goroutine.
type network struct {
	prefix [2]byte // of all its addresses
	ctx    context.Context
	end    context.CancelFunc
	work   sync.WaitGroup

	mu      sync.Mutex
	places  map[string]*place // by member
	order   []string
	owners  map[netip.Addr]string
	rules   book
	changed chan struct{} // closes when rules are others
	lines   map[*line]bool
	dialed  map[pair]int // connections since the start
}

// place is where a member is.
type place struct {
	name  string
	index byte
	front *net.TCPListener
	homes map[string]string // where its agents listen, by port
}

func newNetwork() *network {
	ctx, end := context.WithCancel(context.Background())
	return &network{
		prefix: [2]byte{127, byte(64 + os.Getpid()%128)}, // so that two runs on a machine do not meet
		ctx:    ctx, end: end,
		places: map[string]*place{}, owners: map[netip.Addr]string{}, rules: book{},
		changed: make(chan struct{}), lines: map[*line]bool{}, dialed: map[pair]int{},
	}
}

// stop ends all connections and closes the fronts.
func (n *network) stop() {
	n.end()
	n.work.Wait()
}

// settle gives an agent of a member its addresses, and the first other member as its peer, the second for the first.
func (n *network) settle(member, peer string, o *agent.Options) error {
	_, port, err := net.SplitHostPort(o.Listen)
	if err != nil {
		return err
	}
	if o.Listen, err = n.home(member, port); err != nil {
		return err
	}
	if o.Advertise, err = n.front(member); err != nil {
		return err
	}
	o.Peers = nil
	if peer != "" {
		address, err := n.front(peer)
		o.Peers = []string{address}
		return err
	}
	return nil
}

// home returns where the agent of a member listens that has this port.
func (n *network) home(member, port string) (string, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	p, err := n.place(member)
	if err != nil {
		return "", err
	}
	if p.homes[port] == "" {
		ip := n.address(p.index, byte(len(p.homes)+1))
		n.owners[ip] = member
		p.homes[port] = net.JoinHostPort(ip.String(), port)
	}
	return p.homes[port], nil
}

// moved says where an agent really listens whose port was not known before.
func (n *network) moved(member, port, address string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.places[member].homes[port] = address
}

// front returns the address at which others reach a member.
func (n *network) front(member string) (string, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	p, err := n.place(member)
	if err != nil {
		return "", err
	}
	return p.front.Addr().String(), nil
}

// place returns where a member is, and makes its front if it is new. mu is held.
func (n *network) place(member string) (*place, error) {
	if p := n.places[member]; p != nil {
		return p, nil
	}
	p := &place{name: member, index: byte(len(n.places) + 1), homes: map[string]string{}}
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: n.address(100+p.index, 1).AsSlice()})
	if err != nil {
		return nil, fmt.Errorf("opening the front of %s: %w", member, err)
	}
	p.front = l
	n.places[member] = p
	n.order = append(n.order, member)
	n.work.Go(func() { n.accept(p, l) })
	context.AfterFunc(n.ctx, func() { _ = l.Close() })
	return p, nil
}

func (n *network) address(index, host byte) netip.Addr {
	return netip.AddrFrom4([4]byte{n.prefix[0], n.prefix[1], index, host})
}

// accept serves what reaches the front of a member until it is closed.
func (n *network) accept(p *place, l *net.TCPListener) {
	for {
		conn, err := l.AcceptTCP()
		if err != nil {
			return
		}
		n.work.Go(func() { n.serve(p, conn) })
	}
}

// serve joins a connection with a new one to an agent of the member.
func (n *network) serve(p *place, dialer *net.TCPConn) {
	source, err := netip.ParseAddrPort(dialer.RemoteAddr().String())
	if err != nil {
		reset(dialer)
		return
	}
	n.mu.Lock()
	from := n.owners[source.Addr().Unmap()] // "" for a stranger
	n.mu.Unlock()
	opening, what, err := readOpening(dialer)
	l := &line{pair: pair{from, p.name}, traffic: what, dialer: dialer, net: n}
	if err != nil || n.look(l.pair, what).refuse {
		reset(dialer)
		return
	}
	if l.listener, err = n.reach(p); err != nil {
		reset(dialer)
		return
	}
	n.enter(l)
	defer n.leave(l)
	l.run(n.ctx, opening)
}

// reach connects to an agent of a member, in random order as balancers do.
func (n *network) reach(p *place) (*net.TCPConn, error) {
	n.mu.Lock()
	var homes []string
	for _, address := range p.homes {
		homes = append(homes, address)
	}
	n.mu.Unlock()
	rand.Shuffle(len(homes), func(i, j int) { homes[i], homes[j] = homes[j], homes[i] })
	err := errors.New("it has no agent")
	for _, address := range homes {
		var dialer net.Dialer
		var raw net.Conn
		if raw, err = dialer.DialContext(n.ctx, "tcp", address); err == nil {
			return raw.(*net.TCPConn), nil
		}
	}
	return nil, fmt.Errorf("reaching %s: %w", p.name, err)
}

func (n *network) enter(l *line) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.lines[l] = true
	n.dialed[l.pair]++
}

func (n *network) leave(l *line) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.lines, l)
}

// look returns the rule in force.
func (n *network) look(p pair, what traffic) rule {
	r, _ := n.watch(p, what)
	return r
}

// watch returns the rule in force and a channel that closes when it may be another.
func (n *network) watch(p pair, what traffic) (rule, <-chan struct{}) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.rules.look(p, what), n.changed
}

// set puts a rule in force for what from sends to to, and resets what it refuses.
func (n *network) set(p pair, what traffic, r rule) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.rules.set(p, what, r)
	n.tell()
}

// clear lets everything pass again.
func (n *network) clear() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.rules = book{}
	n.tell()
}

// tell makes the rules known. mu is held.
func (n *network) tell() {
	close(n.changed)
	n.changed = make(chan struct{})
	for l := range n.lines {
		if n.rules.look(l.pair, l.traffic).refuse {
			l.cut()
		}
	}
}

// opened returns how many connections the one opened to the other since the start.
func (n *network) opened(p pair) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.dialed[p]
}
