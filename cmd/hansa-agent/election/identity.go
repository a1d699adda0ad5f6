package election

import (
	"fmt"
	"net"
	"strconv"
	"strings"
)

const (
	maxName    = 253 // a pod's name is no longer
	maxAddress = 262 // a host name and a port
)

// LeaseName is the Lease by which one of a cluster's agents leads.
const LeaseName = "hansa-agent"

// Identity is who holds a Lease: a name that is unique to the process's incarnation, and the host:port
// where its siblings reach it, "" if nowhere.
type Identity struct{ Name, Address string }

// String is the text of a Lease's holderIdentity: the name, and after a slash the address if there is one.
func (i Identity) String() string {
	if i.Address == "" {
		return i.Name
	}
	return i.Name + "/" + i.Address
}

// ParseIdentity reads a Lease's holderIdentity, which anybody may have written. An error names what is
// wrong, and shows at most the beginning of a long text.
func ParseIdentity(text string) (Identity, error) {
	name, address, slash := strings.Cut(text, "/")
	if slash && address == "" {
		return Identity{}, fmt.Errorf("identity %q: want host:port after the slash, or no slash", clip(text))
	}
	i := Identity{name, address}
	if err := i.validate(); err != nil {
		return Identity{}, err
	}
	return i, nil
}

func (i Identity) validate() error {
	if i.Name == "" || len(i.Name) > maxName || !plain(i.Name) {
		return fmt.Errorf("name %q of an identity: want 1 to %d letters, digits, dots, dashes or other ASCII without space and slash", clip(i.Name), maxName)
	}
	if i.Address == "" {
		return nil
	}
	host, port, err := net.SplitHostPort(i.Address)
	number, bad := strconv.ParseUint(port, 10, 16)
	if err != nil || bad != nil || number == 0 || host == "" || len(i.Address) > maxAddress || !plain(i.Address) {
		return fmt.Errorf("address %q of an identity: want host:port with a port of 1 to 65535", clip(i.Address))
	}
	return nil
}

// plain reports whether all of a text is visible ASCII but the slash.
func plain(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r <= ' ' || r > '~' || r == '/' }) < 0
}

// clip keeps a message readable: somebody may have put a book into the Lease.
func clip(s string) string {
	const most = 64
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
