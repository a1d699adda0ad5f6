package clusterset

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"sync"
)

// given are the ports that this process chose already.
var given = struct {
	sync.Mutex
	ports map[int]bool
}{ports: map[int]bool{}}

// freeAddress returns an address of loopback on which nothing listens, neither by TCP nor by UDP. An agent
// binds it only later, so it is below the range from which the kernel takes ports for outgoing connections.
func freeAddress() (string, error) {
	const lowest = 10000
	ephemeral := 32768
	if text, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range"); err == nil {
		_, _ = fmt.Sscan(string(text), &ephemeral)
	}
	if ephemeral <= lowest {
		return "", fmt.Errorf("the kernel gives ports from %d to outgoing connections: want some from %d on for agents", ephemeral, lowest)
	}
	for range 1000 {
		if port := lowest + rand.IntN(ephemeral-lowest); take(port) {
			return fmt.Sprintf("127.0.0.1:%d", port), nil
		}
	}
	return "", errors.New("no port of 127.0.0.1 is free for both TCP and UDP")
}

// take chooses a port if it is free.
func take(port int) bool {
	given.Lock()
	defer given.Unlock()
	if given.ports[port] {
		return false
	}
	address := fmt.Sprintf("127.0.0.1:%d", port)
	l, err := net.Listen("tcp", address)
	if err != nil {
		return false
	}
	defer l.Close()
	u, err := net.ListenPacket("udp", address)
	if err != nil {
		return false
	}
	defer u.Close()
	given.ports[port] = true
	return true
}
