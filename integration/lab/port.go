package lab

import (
	"fmt"
	"net"
	"os"
)

// port is a TCP port of 127.0.0.1 that is kept for one cluster: it is bound with
// SO_REUSEPORT but never listened on. Only a program of the same user that sets
// SO_REUSEPORT as well can listen there, which is its API server, and while that
// is down connections are refused. No other program can take it meanwhile.
type port struct {
	number uint16
	file   *os.File
}

func (p *port) hostPort() string {
	return net.JoinHostPort("127.0.0.1", fmt.Sprint(p.number))
}

func (p *port) release() error { return p.file.Close() }
