package machine

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// CPU is how the time of all cores has been spent since the machine started, in ticks.
type CPU struct{ stolen, all int64 }

// ReadCPU reads /proc/stat.
func ReadCPU() (CPU, error) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return CPU{}, fmt.Errorf("reading how the cores spend their time: %w", err)
	}
	return parseCPU(string(text))
}

// parseCPU takes the line of all cores apart, as man 5 proc_stat has it: user nice system idle iowait irq softirq steal,
// and then guests, which are in user already.
func parseCPU(stat string) (CPU, error) {
	line, _, _ := strings.Cut(stat, "\n")
	fields := strings.Fields(line)
	if len(fields) < 9 || fields[0] != "cpu" {
		return CPU{}, fmt.Errorf("the first line of /proc/stat is %q, want cpu and at least eight times", line)
	}
	var c CPU
	for i, field := range fields[1:9] {
		ticks, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return CPU{}, fmt.Errorf("reading /proc/stat: %w", err)
		}
		c.all += ticks
		if i == 7 {
			c.stolen = ticks
		}
	}
	return c, nil
}

// StolenSince returns which share of the cores' time, in percent, a virtual machine wanted and did not get, as its host
// gave it to others: what is measured meanwhile is late by that.
func (c CPU) StolenSince(before CPU) float64 {
	if c.all <= before.all {
		return 0
	}
	return 100 * float64(c.stolen-before.stolen) / float64(c.all-before.all)
}
