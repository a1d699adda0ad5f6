package lab

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
)

// given are the ports that this process chose already, each with the locked file that keeps other processes from it.
var given = struct {
	sync.Mutex
	ports map[int]*os.File
}{ports: map[int]*os.File{}}

// FreeAddress returns an address of loopback on which nothing listens, neither by TCP nor by UDP, and which no process is
// given again while this one lives. Its program binds it only later, so it is below the range from which the kernel takes
// ports for outgoing connections.
func FreeAddress() (string, error) {
	const lowest = 10000
	ephemeral := 32768
	if text, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range"); err == nil {
		_, _ = fmt.Sscan(string(text), &ephemeral)
	}
	if ephemeral <= lowest {
		return "", fmt.Errorf("the kernel gives ports from %d to outgoing connections: want some from %d on for what a lab starts", ephemeral, lowest)
	}
	for range 1000 {
		port := lowest + rand.IntN(ephemeral-lowest)
		if taken, err := take(port); err != nil {
			return "", err
		} else if taken {
			return fmt.Sprintf("127.0.0.1:%d", port), nil
		}
	}
	return "", errors.New("no port of 127.0.0.1 is free for both TCP and UDP")
}

// take chooses a port if it is free.
func take(port int) (bool, error) {
	given.Lock()
	defer given.Unlock()
	if given.ports[port] != nil || !isFree(port) {
		return false, nil
	}
	dir := filepath.Join(os.TempDir(), fmt.Sprintf("hansa-ports-%d", os.Getuid()))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return false, fmt.Errorf("keeping port %d from other processes: %w", port, err)
	}
	f, err := os.OpenFile(filepath.Join(dir, strconv.Itoa(port)), os.O_CREATE|os.O_RDONLY, 0o600)
	if err != nil {
		return false, fmt.Errorf("keeping port %d from other processes: %w", port, err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil { // another process was given it
		f.Close()
		return false, nil
	}
	given.ports[port] = f
	return true, nil
}

func isFree(port int) bool {
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
	return true
}
