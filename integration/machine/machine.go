// Package machine says on which machine a measurement was made.
package machine

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
)

// Machine is what measured values depend on.
type Machine struct {
	cpu, kernel, goVersion, commit string
	cores                          int
	memory                         int64 // bytes
}

// String describes the machine as
// <cpu model>, <cores> cores, <memory> GiB, <kernel>, go<version>, <commit short hash>.
func (m Machine) String() string {
	return fmt.Sprintf("%s, %d cores, %.1f GiB, %s, %s, %s",
		m.cpu, m.cores, float64(m.memory)/(1<<30), m.kernel, m.goVersion, m.commit)
}

// This reads /proc, and asks git which commit is checked out.
func This(ctx context.Context) (Machine, error) {
	m := Machine{cores: runtime.NumCPU(), goVersion: runtime.Version(), commit: commit(ctx)}
	kernel, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return m, fmt.Errorf("reading which kernel this is: %w", err)
	}
	m.kernel = "Linux " + strings.TrimSpace(string(kernel))
	cpus, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return m, fmt.Errorf("reading which CPU this is: %w", err)
	}
	if m.cpu = field(string(cpus), "model name"); m.cpu == "" { // other architectures name none
		m.cpu = runtime.GOARCH
	}
	memory, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return m, fmt.Errorf("reading how much memory there is: %w", err)
	}
	kib, err := strconv.ParseInt(strings.TrimSuffix(field(string(memory), "MemTotal"), " kB"), 10, 64)
	if err != nil {
		return m, fmt.Errorf("reading MemTotal of /proc/meminfo: %w", err)
	}
	m.memory = kib << 10
	return m, nil
}

// field returns the value of the first line "<name> : <value>" of a file of /proc, or "".
func field(text, name string) string {
	for line := range strings.Lines(text) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// commit returns the short hash of the checked out commit, with "-dirty" if tracked files differ from it,
// or "no commit" outside of a checkout.
func commit(ctx context.Context) string {
	out, err := exec.CommandContext(ctx, "git", "describe", "--always", "--exclude=*", "--dirty", "--abbrev=7").Output()
	if hash := strings.TrimSpace(string(out)); err == nil && hash != "" {
		return hash
	}
	return "no commit"
}

// Busy says what else keeps the cores of m busy, or "" when nothing does: others' work is in every value.
func (m Machine) Busy() (string, error) {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "", fmt.Errorf("reading how busy the machine is: %w", err)
	}
	minute, _, _ := strings.Cut(string(text), " ")
	load, err := strconv.ParseFloat(minute, 64)
	if err != nil {
		return "", fmt.Errorf("reading /proc/loadavg: %w", err)
	}
	if load <= float64(m.cores) {
		return "", nil
	}
	return fmt.Sprintf("the load of the last minute is %s on %d cores: the values are of a busy machine", minute, m.cores), nil
}
