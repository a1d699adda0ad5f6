package lab

import (
	"net/netip"
	"strings"
	"testing"
)

func TestMachineAddressIsOneThatAnEndpointSliceMayHold(t *testing.T) {
	for name, test := range map[string]struct{ addresses, want string }{
		"first IPv4":             {"127.0.0.1 192.0.2.7 198.51.100.1", "192.0.2.7"},
		"IPv4 before IPv6":       {"2001:db8::1 192.0.2.7", "192.0.2.7"},
		"IPv6 alone":             {"127.0.0.1 ::1 fe80::1 2001:db8::1 2001:db8::2", "2001:db8::1"},
		"not link-local":         {"169.254.3.4 192.0.2.7", "192.0.2.7"},
		"not multicast or unset": {"0.0.0.0 224.0.0.1 192.0.2.7", "192.0.2.7"},
		"none":                   {"127.0.0.1 ::1 fe80::1 169.254.3.4", ""},
		"nothing":                {"", ""},
	} {
		t.Run(name, func(t *testing.T) {
			var addresses []netip.Addr
			for text := range strings.FieldsSeq(test.addresses) {
				addresses = append(addresses, netip.MustParseAddr(text))
			}
			got, err := machineAddress(addresses)
			if test.want == "" {
				if err == nil || !strings.Contains(err.Error(), "ip address add") {
					t.Errorf("got %v, %v: want an error that says what to do", got, err)
				}
				return
			}
			if err != nil || got.String() != test.want {
				t.Errorf("got %v, %v, want %s", got, err, test.want)
			}
		})
	}
}
