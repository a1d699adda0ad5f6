package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
)

// table is the name of this process' table of nftables.
func table(pid int) string { return "hansa_faults_" + strconv.Itoa(pid) }

// filter replaces what nftables does to the packets between the network's members, whose front it counts to them. The
// statements are such as "numgen random mod 100 < 5 drop"; none take the table away.
func (n *network) filter(statements ...string) error {
	if err := n.sweep(); err != nil {
		return err
	}
	if len(statements) == 0 {
		return nil
	}
	within := fmt.Sprintf("%d.%d.0.0/16", n.prefix[0], n.prefix[1])
	var script strings.Builder
	fmt.Fprintf(&script, "table inet %s {\nchain members {\ntype filter hook input priority 0;\n", table(os.Getpid()))
	for _, s := range statements {
		fmt.Fprintf(&script, "ip saddr %s ip daddr %s %s\n", within, within, s)
	}
	script.WriteString("}\n}\n")
	return nft(script.String())
}

// sweep removes our table, and those that runs left which were killed.
func (n *network) sweep() error {
	out, err := exec.Command("nft", "list", "tables").Output()
	if errors.Is(err, exec.ErrNotFound) {
		return errors.New("lost packets need nftables, whose program nft is not installed: apt-get install nftables")
	}
	if err != nil {
		return fmt.Errorf("lost packets need nftables, which this kernel or user (%d, want 0) does not have: %w", os.Getuid(), err)
	}
	for line := range strings.Lines(string(out)) {
		name, ours := strings.CutPrefix(strings.TrimSpace(line), "table inet hansa_faults_")
		pid, err := strconv.Atoi(name)
		if !ours || err != nil || pid != os.Getpid() && alive(pid) {
			continue
		}
		if err := nft("delete table inet " + table(pid)); err != nil {
			return err
		}
	}
	return nil
}

func alive(pid int) bool {
	_, err := os.Stat("/proc/" + strconv.Itoa(pid))
	return err == nil
}

func nft(script string) error {
	cmd := exec.Command("nft", "-f", "-")
	cmd.Stdin = strings.NewReader(script)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("nft: %w: %s", err, out)
	}
	return nil
}
