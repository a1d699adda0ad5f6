package install

import (
	"slices"
	"strings"
	"testing"
	"time"

	"helm.sh/helm/v4/pkg/release/common"
	release "helm.sh/helm/v4/pkg/release/v1"
)

// refused installs with values that the API server does not take, and returns what is said of that.
func (c *cluster) refused(values map[string]any) string {
	c.Helper()
	_, err := c.installer().Apply(c.Context(), Options{Values: values}, time.Now())
	if err == nil {
		c.Fatalf("the API server takes %v", values)
	}
	if r, err := c.installer().stored(); err != nil || r.Info.Status != common.StatusFailed {
		c.Fatalf("the newest revision is %+v (%v), want one that failed", r, err)
	}
	c.said = nil
	return err.Error()
}

// No revision went well yet, so the next begins anew.
func forgetFirst(c *cluster) {
	c.refused(map[string]any{"cluster": "east", "logLevel": "debug", "dnsService": map[string]any{"clusterIP": "1.2.3.4"}})
	_, err := c.installer().Apply(c.Context(), Options{Values: map[string]any{"issuer": true}}, time.Now())
	if want := "revision 1 failed, and none before it went well: install the agents by hansa init or hansa join again"; err == nil || err.Error() != want {
		c.Errorf("got %v, want %s", err, want)
	}
	if r := c.apply(Options{Values: map[string]any{"cluster": "east"}}); r.Change != Upgraded || r.Revision != 2 {
		c.Errorf("got %+v", r)
	}
	if want := "revision 1 failed, and its values with it: going on anew"; c.said[0] != want {
		c.Errorf("said %q, want %q", c.said, want)
	}
	if args := c.agent().Args; !slices.Contains(args, "--log-level=info") {
		c.Errorf("the agent is told %q", args)
	}
	if _, err := c.installer().Uninstall(c.Context()); err != nil {
		c.Error(err)
	}
}

// forgetMistake begins with a release that has log level debug, said by one that went well.
func forgetMistake(c *cluster) {
	mistake := map[string]any{"logFormat": "json", "dnsService": map[string]any{"clusterIP": "1.2.3.4"}}
	for range 2 {
		if got := c.refused(mistake); !strings.Contains(got, "may not change once set") {
			c.Errorf("got %s", got)
		}
	}
	r := c.apply(Options{Values: map[string]any{"cluster": "east"}})
	if r.Change != Upgraded || r.Zone != "clusterset.local" {
		c.Errorf("got %+v", r)
	}
	if !strings.Contains(c.said[0], " failed, and its values with it: going on from the values of revision ") {
		c.Errorf("said %q", c.said)
	}
	if args := c.agent().Args; !slices.Contains(args, "--log-format=text") || !slices.Contains(args, "--log-level=debug") {
		c.Errorf("the agent is told %q, want what it was told before the mistake", args)
	}
	c.refused(mistake)
	c.apply(Options{Values: map[string]any{"logFormat": "json", "dnsService": map[string]any{"clusterIP": ""}}})
	if len(c.said) != 1 {
		c.Errorf("said %q, want nothing of values that were said again", c.said)
	}
	if args := c.agent().Args; !slices.Contains(args, "--log-format=json") || !slices.Contains(args, "--log-level=debug") {
		c.Errorf("the agent is told %q", args)
	}
}

func TestTheNewestGoodRevisionIsTheLastThatWasDeployed(t *testing.T) {
	ended := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	type revision struct {
		status  common.Status
		deleted time.Time
	}
	for name, c := range map[string]struct {
		revisions []revision // of which the first is 1
		want      int        // 0 for none
	}{
		"none":                        {nil, 0},
		"the first failed":            {[]revision{{status: common.StatusFailed}}, 0},
		"all well":                    {[]revision{{status: common.StatusSuperseded}, {status: common.StatusDeployed}}, 2},
		"one failed":                  {[]revision{{status: common.StatusSuperseded}, {status: common.StatusDeployed}, {status: common.StatusFailed}}, 2},
		"several failed":              {[]revision{{status: common.StatusDeployed}, {status: common.StatusFailed}, {status: common.StatusFailed}}, 1},
		"failed, then well":           {[]revision{{status: common.StatusFailed}, {status: common.StatusDeployed}}, 2},
		"a rollback failed":           {[]revision{{status: common.StatusSuperseded}, {status: common.StatusSuperseded}, {status: common.StatusFailed}}, 2},
		"uninstalled, then failed":    {[]revision{{status: common.StatusSuperseded}, {common.StatusUninstalled, ended}, {status: common.StatusFailed}}, 0},
		"replaced, then failed":       {[]revision{{status: common.StatusSuperseded}, {common.StatusSuperseded, ended}, {status: common.StatusFailed}}, 0},
		"replaced, then well, failed": {[]revision{{common.StatusSuperseded, ended}, {status: common.StatusDeployed}, {status: common.StatusFailed}}, 2},
		"uninstalling was cut off":    {[]revision{{status: common.StatusSuperseded}, {common.StatusFailed, ended}}, 0},
	} {
		var all []*release.Release
		for n, r := range c.revisions {
			all = append([]*release.Release{{Version: n + 1, Info: &release.Info{Status: r.status, Deleted: r.deleted}}}, all...)
		}
		for range 2 {
			got := 0
			if r := newestGood(all); r != nil {
				got = r.Version
			}
			if got != c.want {
				t.Errorf("%s: revision %d, want %d", name, got, c.want)
			}
			slices.Reverse(all) // whatever the order in which they are listed
		}
	}
}
