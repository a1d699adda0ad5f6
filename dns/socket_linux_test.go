package dns

import (
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
)

// TestReplyGoesByAnyInterface holds of control data of both families, but for an address that is good on one interface
// alone.
func TestReplyGoesByAnyInterface(t *testing.T) {
	for _, test := range []struct {
		at      string
		control []byte
		index   int // of the interface, in control
		keeps   bool
	}{
		{"192.0.2.53", unix.PktInfo4(&unix.Inet4Pktinfo{Ifindex: 7, Spec_dst: [4]byte{192, 0, 2, 53}}), 0, false},
		{"2001:db8::53", unix.PktInfo6(&unix.Inet6Pktinfo{Ifindex: 7, Addr: netip.MustParseAddr("2001:db8::53").As16()}), 16, false},
		{"192.0.2.53", unix.PktInfo6(&unix.Inet6Pktinfo{Ifindex: 7, Addr: netip.MustParseAddr("::ffff:192.0.2.53").As16()}), 16, false},
		{"fe80::53", unix.PktInfo6(&unix.Inet6Pktinfo{Ifindex: 7, Addr: netip.MustParseAddr("fe80::53").As16()}), 16, true},
	} {
		at, ok := replyFrom(test.control)
		if !ok || at.String() != test.at {
			t.Errorf("%s: arrived at %s, %t", test.at, at, ok)
		}
		if index := test.control[unix.CmsgLen(0)+test.index]; (index == 7) != test.keeps {
			t.Errorf("%s: the reply goes by interface %d", test.at, index)
		}
		if n := testing.AllocsPerRun(10, func() { replyFrom(test.control) }); n > 0 {
			t.Errorf("%s: %v allocations", test.at, n)
		}
	}
	if _, ok := replyFrom(nil); ok {
		t.Error("without control data it arrived somewhere")
	}
}
