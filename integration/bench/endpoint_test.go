package main

import (
	"testing"
	"time"
)

func TestDNSIsBehindByTheMedianOfTheRounds(t *testing.T) {
	// DNS and xDS are slow in the same rounds; the medians of each alone would differ by 80 ms.
	rounds := []times{
		{xds: 10 * time.Millisecond, dns: 11 * time.Millisecond},
		{xds: 20 * time.Millisecond, dns: 100 * time.Millisecond},
		{xds: 300 * time.Millisecond, dns: 299 * time.Millisecond},
	}
	if got, want := behind(rounds).String(), "bench endpoint/dns-behind-xds/p50 1.00 ms"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestBackgroundChangesThatAreMissedAreCounted(t *testing.T) {
	for want, made := range map[string][]int{
		"bench endpoint/busy/missed 0.00 %": {50, 51}, "bench endpoint/busy/missed 6.00 %": {47, 47},
	} {
		if got := missed(made, time.Second).String(); got != want {
			t.Errorf("%v changes in a second: %s, want %s", made, got, want)
		}
	}
}
