package report

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/hansa-mcs/hansa/federation"
)

// span writes a duration in whole seconds, without the units that are zero at its end.
func span(d time.Duration) string {
	text := d.Round(time.Second).String()
	for _, zero := range []string{"m0s", "h0m"} {
		if rest, found := strings.CutSuffix(text, zero); found {
			text = rest + zero[:1]
		}
	}
	return text
}

// moment writes a time for people.
func moment(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// seconds returns a duration in seconds, to the millisecond.
func seconds(d time.Duration) float64 { return math.Round(d.Seconds()*1000) / 1000 }

// ago returns how long ago a time was, nil for the zero time.
func ago(t, now time.Time) *float64 {
	if t.IsZero() {
		return nil
	}
	return new(seconds(max(0, now.Sub(t))))
}

// utc returns a time as answers have it.
func utc(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return t.UTC().Truncate(time.Millisecond)
}

// version writes a version, "" for none.
func version(v federation.Version) string {
	if v.IsZero() {
		return ""
	}
	return v.String()
}

// amount writes a number of things whose plural ends in s.
func amount[N int | uint64](n N, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}

// those names clusters in a sentence, at most eight.
func those(list []federation.ClusterID) string {
	const most = 8
	var names []string
	for _, id := range list[:min(len(list), most)] {
		names = append(names, string(id))
	}
	if more := len(list) - most; more > 0 {
		names = append(names, fmt.Sprintf("%d more", more))
	}
	if n := len(names); n > 1 {
		return strings.Join(names[:n-1], ", ") + " and " + names[n-1]
	}
	return strings.Join(names, "")
}

// join makes one text of what is not empty.
func join(parts ...string) string {
	var list []string
	for _, p := range parts {
		if p != "" {
			list = append(list, p)
		}
	}
	return strings.Join(list, "; ")
}
