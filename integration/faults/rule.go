package main

import "time"

// rule says what becomes of what one member sends to another, and of the connections that it opens to it. The zero
// rule lets everything pass.
type rule struct {
	// refuse resets the connections that the one dials to the other, those that are open too.
	refuse bool
	// hold keeps what the one sends, also that it closed: the other notices nothing until it is let go. New
	// connections are accepted, and then held.
	hold bool
	// delay is how much later bytes arrive, and jitter the most that it may be longer by.
	delay, jitter time.Duration
	// rate is how many bytes pass in a second; 0 for all.
	rate int
	// idle is after how long without a byte either way a connection is forgotten: from then on nothing arrives on
	// it, and nobody is told. 0 for never.
	idle time.Duration
}

// pair is an ordered pair of members.
type pair struct{ from, to string }

// traffic is what a connection is for.
type traffic string

const (
	anyTraffic    traffic = ""
	gossipTraffic traffic = "gossip"
	streamTraffic traffic = "stream"
)

// book holds the rules that are in force. Those for one protocol go before those for any.
type book map[pair]map[traffic]rule

func (b book) look(p pair, which traffic) rule {
	if r, ok := b[p][which]; ok {
		return r
	}
	return b[p][anyTraffic]
}

func (b book) set(p pair, which traffic, r rule) {
	if b[p] == nil {
		b[p] = map[traffic]rule{}
	}
	b[p][which] = r
}
