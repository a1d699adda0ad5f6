package lab

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
)

// MachineAddress is an address of this machine that an EndpointSlice may hold,
// neither loopback nor link-local: the first IPv4 one, else the first IPv6 one,
// of an interface that is up. Its error says what to do about it.
func MachineAddress() (netip.Addr, error) {
	addresses, err := interfaceAddresses()
	if err != nil {
		return netip.Addr{}, fmt.Errorf("list the machine's addresses: %w", err)
	}
	return machineAddress(addresses)
}

func machineAddress(addresses []netip.Addr) (netip.Addr, error) {
	var found netip.Addr
	for _, address := range addresses {
		switch {
		case !address.IsGlobalUnicast():
		case address.Is4():
			return address, nil
		case !found.IsValid():
			found = address
		}
	}
	if !found.IsValid() {
		return found, errors.New("this machine has no address but loopback and link-local ones, which Kubernetes" +
			" refuses in an EndpointSlice: connect it to a network, or as root: ip address add 192.0.2.1/32 dev lo")
	}
	return found, nil
}

func interfaceAddresses() ([]netip.Addr, error) {
	interfaces, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	var all []netip.Addr
	for _, each := range interfaces {
		if each.Flags&net.FlagUp == 0 {
			continue
		}
		networks, err := each.Addrs()
		if err != nil {
			return nil, fmt.Errorf("of %s: %w", each.Name, err)
		}
		for _, network := range networks {
			if prefix, err := netip.ParsePrefix(network.String()); err == nil {
				all = append(all, prefix.Addr().Unmap())
			}
		}
	}
	return all, nil
}
