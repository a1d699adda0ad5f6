package main

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

const dnsPerfSaid = `DNS Performance Testing Tool
Version 2.10.0

[Status] Stopping after 2.000000 seconds
[Status] Testing complete (time limit)

Statistics:

  Queries sent:         1000
  Queries completed:    988 (98.80%)
  Queries lost:         12 (1.20%)

  Response codes:       NOERROR 790 (79.96%), SERVFAIL 99 (10.02%), NXDOMAIN 99 (10.02%)
  Average packet size:  request 48, response 48
  Run time (s):         2.000165
  Queries per second:   493.959248

  Average Latency (s):  0.000097 (min 0.000017, max 0.002632)
  Latency StdDev (s):   0.000212

`

func TestStatisticsOfDNSPerfAreRead(t *testing.T) {
	got, err := parseDNSPerf(dnsPerfSaid)
	want := dnsLoad{
		sent: 1000, completed: 988, lost: 12, rcodes: map[string]int{"NOERROR": 790, "SERVFAIL": 99, "NXDOMAIN": 99},
		perSecond: 493.959248, latency: 97 * time.Microsecond,
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v (%v)\nwant %+v", got, err, want)
	}
	for _, name := range []string{"Queries sent", "Queries completed", "Queries lost", "Queries per second", "Average Latency (s)"} {
		if _, err := parseDNSPerf(strings.Replace(dnsPerfSaid, name, "other", 1)); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("without %q: err = %v", name, err)
		}
	}
}

func TestLoadsWithOtherAnswersAreWorthless(t *testing.T) {
	for _, c := range []struct {
		load dnsLoad
		want string
	}{
		{dnsLoad{sent: 2000, completed: 2000, rcodes: map[string]int{"NOERROR": 2000}}, ""},
		{dnsLoad{sent: 2000, completed: 1998, lost: 2, rcodes: map[string]int{"NOERROR": 1998}}, ""},
		{
			dnsLoad{sent: 2000, completed: 1997, lost: 3, rcodes: map[string]int{"NOERROR": 1997}},
			"3 of 2000 answers were lost, want at most 0.1 %",
		},
		{
			dnsLoad{sent: 2000, completed: 2000, rcodes: map[string]int{"NOERROR": 1999, "SERVFAIL": 1}},
			"the answers were map[NOERROR:1999 SERVFAIL:1], want 2000 times NOERROR",
		},
		{dnsLoad{sent: 2000, completed: 2000, rcodes: map[string]int{"NXDOMAIN": 2000}}, "the answers were map[NXDOMAIN:2000], want 2000 times NOERROR"},
		{dnsLoad{sent: 2000, lost: 2000}, "none of 2000 questions was answered"},
	} {
		got := ""
		if err := c.load.check("NOERROR"); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%+v: err = %q, want %q", c.load, got, c.want)
		}
	}
}

func TestWithoutDNSPerfItsPackageIsNamed(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := findDNSPerf()
	if err == nil || !strings.Contains(err.Error(), "Debian's package dnsperf") {
		t.Errorf("err = %v, want one that names the package", err)
	}
}
