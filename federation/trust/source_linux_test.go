package trust

import (
	"net"
	"net/netip"
	"testing"
)

// The address that a member listens on is the one that others see it come from.
func TestDialComesFromTheAddressOfThePort(t *testing.T) {
	ca := newAuthority(t, mesh)
	port, stop := startPort(t, newIdentity(t, ca, "b"), func(p *Port) { p.Listener(ProtoGRPC) })
	defer stop()
	for listen, want := range map[string]string{
		"127.0.0.77:0": "127.0.0.77",
		"127.0.0.1:0":  "127.0.0.1",
		"0.0.0.0:0":    "127.0.0.1", // as the system chooses
		"[::1]:0":      "127.0.0.1", // which cannot reach it
	} {
		id := newIdentity(t, ca, "a")
		own, err := net.Listen("tcp", listen)
		if err != nil {
			t.Fatal(err)
		}
		defer own.Close()
		id.DialFrom(own.Addr())
		conn := must(id.Dial(t.Context(), port.Addr().String(), "b", ProtoGRPC))(t)
		defer conn.Close()
		if got := netip.MustParseAddrPort(conn.LocalAddr().String()).Addr().String(); got != want {
			t.Errorf("a port at %s: dialed from %s, want %s", listen, got, want)
		}
	}
}

func TestOnlyWhatASourceReachesIsDialedFromIt(t *testing.T) {
	for _, test := range []struct {
		source, to string
		want       bool
	}{
		{"10.0.0.1", "10.0.0.2:8443", true},
		{"10.0.0.1", "[::ffff:10.0.0.2]:8443", true},
		{"2001:db8::1", "[2001:db8::2]:8443", true},
		{"127.0.0.2", "127.0.0.1:8443", true},
		{"10.0.0.1", "[2001:db8::2]:8443", false},
		{"127.0.0.1", "10.0.0.2:8443", false},
		{"10.0.0.1", "127.0.0.1:8443", false},
		{"10.0.0.1", "not an address", false},
	} {
		if got := reaches(netip.MustParseAddr(test.source), test.to); got != test.want {
			t.Errorf("from %s to %s: %t, want %t", test.source, test.to, got, test.want)
		}
	}
}
