package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// agree asks both servers every question of a kind. It is an error when an answer is not as the kind has it, or when
// they say different things: comparing what they take would be worth nothing.
func agree(ctx context.Context, k dnsKind, one, other dnsServer) error {
	said, err := answersTo(ctx, k, one)
	if err != nil {
		return err
	}
	alsoSaid, err := answersTo(ctx, k, other)
	if err != nil {
		return err
	}
	for i, name := range k.names {
		if said[i] != alsoSaid[i] {
			return fmt.Errorf("the answers for %s differ: %s says\n%s\nand %s says\n%s",
				name, one.name, said[i], other.name, alsoSaid[i])
		}
	}
	return nil
}

// answersTo returns what a server says to each question of a kind.
func answersTo(ctx context.Context, k dnsKind, s dnsServer) (all []string, err error) {
	client := &dns.Client{}
	conn, err := client.DialContext(ctx, s.address)
	if err != nil {
		return nil, fmt.Errorf("dialing %s: %w", s.name, err)
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	for _, name := range k.names {
		reply, _, err := client.ExchangeWithConnContext(ctx, k.question(name), conn)
		if err != nil {
			return nil, fmt.Errorf("asking %s for %s: %w", s.name, name, err)
		}
		text, err := k.read(reply)
		if err != nil {
			return nil, fmt.Errorf("asking %s for %s: %w", s.name, name, err)
		}
		all = append(all, text)
	}
	return all, nil
}

// read returns the records of an answer in order, a line for each. An answer is an error that is not as the kind has
// it, whole, and with records unless it denies the name.
func (k dnsKind) read(reply *dns.Msg) (string, error) {
	if got := dns.RcodeToString[reply.Rcode]; got != k.rcode || reply.Truncated || (len(reply.Answer) == 0) != (k.rcode != "NOERROR") {
		return "", fmt.Errorf("the answer is %s with %d records, truncated %t; want %s, whole", got, len(reply.Answer), reply.Truncated, k.rcode)
	}
	var lines []string
	for _, rr := range reply.Answer {
		lines = append(lines, rr.String())
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n"), nil
}
