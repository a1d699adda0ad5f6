package federation

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestWhatPeopleWriteOfSteering(t *testing.T) {
	for text, want := range map[string]string{
		"same-zone,same-cluster": "same-zone same-cluster",
		" west , any":            "west any",
		"same-cluster":           "same-cluster",
		"":                       `preference "": want same-zone, same-cluster, same-region, any, or cluster IDs`,
		"west,":                  `preference "": want same-zone, same-cluster, same-region, any, or cluster IDs`,
		"West":                   `preference "West": want same-zone, same-cluster, same-region, any, or cluster IDs`,
		"any,any":                `preference "any": given twice`,
	} {
		list, err := ParsePrefer(text)
		if got := orError(strings.Join(list, " "), err); got != want {
			t.Errorf("prefer %q: %s, want %s", text, got, want)
		}
	}
	for text, want := range map[string]string{
		"west=10,east=0":    "east=0,west=10",
		" west = 1000 ":     "west=1000",
		"west=1001":         `"west=1001": want <cluster ID>=<weight of 0 to 1000>, separated by commas`,
		"west=-1":           `"west=-1": want <cluster ID>=<weight of 0 to 1000>, separated by commas`,
		"west":              `"west": want <cluster ID>=<weight of 0 to 1000>, separated by commas`,
		"":                  `"": want <cluster ID>=<weight of 0 to 1000>, separated by commas`,
		"we.st=1":           `weight: cluster ID "we.st": want an RFC 1123 label: 1 to 63 lower-case letters, digits and '-', with a letter or digit at both ends`,
		"west=1,a=2,west=3": `weight of cluster "west": given twice, or out of order`,
	} {
		list, err := ParseWeights(text)
		if got := orError(ShowWeights(list), err); got != want {
			t.Errorf("weights %q: %s, want %s", text, got, want)
		}
	}
	for text, want := range map[string]string{
		"70%": "70", "1": "1", " 100% ": "100",
		"0%": "want a share from 1% to 100%", "101": "want a share from 1% to 100%", "half": "want a share from 1% to 100%", "": "want a share from 1% to 100%",
	} {
		share, err := ParseShare(text)
		if got := orError(fmt.Sprint(share), err); got != want {
			t.Errorf("share %q: %s, want %s", text, got, want)
		}
	}
}

func orError(text string, err error) string {
	if err != nil {
		return err.Error()
	}
	return text
}

func TestWhoIsNotNamedHasTheUsualWeight(t *testing.T) {
	s := Steering{Weights: []Weight{{"east", 0}, {"west", 7}}}
	for cluster, want := range map[ClusterID]uint16{"east": 0, "west": 7, "north": DefaultWeight, "": DefaultWeight} {
		if got := s.Of(cluster); got != want {
			t.Errorf("%q counts for %d, want %d", cluster, got, want)
		}
	}
}

// FuzzSteering holds that whatever people write is refused, or is what members take, and reads the same once more.
func FuzzSteering(f *testing.F) {
	f.Add("same-zone,west,any", "east=1,west=0", "70%")
	f.Add("any,", "west=1,west=2", "0")
	f.Fuzz(func(t *testing.T, prefer, weights, share string) {
		var s Steering
		s.Prefer, _ = ParsePrefer(prefer)
		s.Weights, _ = ParseWeights(weights)
		s.MinHealthy, _ = ParseShare(share)
		if err := s.check(); err != nil {
			t.Fatalf("%+v: %v", s, err)
		}
		if s.Weights != nil {
			if again, err := ParseWeights(ShowWeights(s.Weights)); err != nil || !slices.Equal(again, s.Weights) {
				t.Errorf("%v is %v once more (%v)", s.Weights, again, err)
			}
		}
	})
}
