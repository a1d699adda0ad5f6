package features

import (
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// heard reads sources as an agent does.
func heard(t *testing.T, env map[string]string, flag []string, configMap map[string]string) (Set, []error) {
	t.Helper()
	e, err := ReadEnvironment(func(name string) string { return env[name] })
	if err != nil {
		t.Fatal(err)
	}
	f, err := ParseFlag(flag)
	if err != nil {
		t.Fatal(err)
	}
	c, faults := ReadConfigMap("hansa-system/hansa-features", configMap, func(string) time.Time { return noon.Add(-time.Hour) }, Layer{})
	s, more := Resolve(noon, e, f, c)
	return s, append(faults, more...)
}

// told writes how gates stand that are not as by default, or not by default's word.
func told(s Set) string {
	var list []string
	for _, st := range s.List() {
		if st.Origin == FromDefault && st.Idle == "" {
			continue
		}
		text := fmt.Sprintf("%s %s by %s", strings.TrimPrefix(string(st.Gate), "MCS"), word(st.On), st.Origin)
		if st.Idle != "" {
			text += " (idle)"
		}
		list = append(list, text)
	}
	return strings.Join(list, ", ")
}

// The strongest word counts: a ConfigMap goes before the flag, that before the environment, that before the default.
func TestTheStrongestWordCounts(t *testing.T) {
	type says = map[string]string
	for _, c := range []struct {
		about string
		env   says
		flag  []string
		cm    says
		want  string
	}{
		{"nobody says anything", nil, nil, nil, ""},
		{"the environment", says{"ENABLE_MCS_HOST": "false"}, nil, nil, "Host off by environment"},
		{"the old spelling", says{"ENABLE_MCS_AUTOEXPORT": "true"}, nil, nil, "AutoExport on by environment"},
		{"both spellings, agreeing", says{"ENABLE_MCS_AUTOEXPORT": "true", "ENABLE_MCS_AUTO_EXPORT": "1"}, nil, nil, "AutoExport on by environment"},
		{"an empty variable", says{"ENABLE_MCS_HOST": ""}, nil, nil, ""},
		{"the flag goes before the environment", says{"ENABLE_MCS_HOST": "false", "ENABLE_MCS_CLUSTER_LOCAL": "false"}, []string{"MCSHost=true"}, nil, "Host on by flag, ClusterLocal off by environment"},
		{"the ConfigMap goes before both", says{"ENABLE_MCS_HOST": "false"}, []string{"MCSHost=true", "MCSAutoExport=true"}, says{"MCSHost": "false"}, "Host off by configmap, AutoExport on by flag"},
		{"the brake makes all idle that needs it", nil, []string{"MCSHost=true", "MCSAutoExport=true", "MCSClusterLocal=false"}, says{"MCSServiceDiscovery": "false"},
			"ServiceDiscovery off by configmap, Host on by flag (idle), ClusterLocal off by flag (idle), AutoExport on by flag (idle)"},
		{"the brake in the ConfigMap that asks for the rest", nil, nil, says{"MCSServiceDiscovery": "false", "MCSAutoExport": "true", "MCSClusterLocal": "false", "MCSHost": "true"},
			"ServiceDiscovery off by configmap, Host on by configmap (idle), ClusterLocal off by configmap (idle), AutoExport on by configmap (idle)"},
		{"the brake alone", nil, []string{"MCSServiceDiscovery=false"}, nil, "ServiceDiscovery off by flag, Host on by default (idle)"},
		{"the brake off again", nil, []string{"MCSServiceDiscovery=false"}, says{"MCSServiceDiscovery": "true", "MCSAutoExport": "true"}, "ServiceDiscovery on by configmap, AutoExport on by configmap"},
	} {
		t.Run(c.about, func(t *testing.T) {
			s, faults := heard(t, c.env, c.flag, c.cm)
			if got := told(s); got != c.want || len(faults) > 0 {
				t.Errorf("%s, faults %v, want %s", got, faults, c.want)
			}
		})
	}
}

// Who asks for what needs discovery while that is off, in his own word or by a weaker one, is refused, and the rest of
// his word counts.
func TestImpossibleCombinations(t *testing.T) {
	for _, c := range []struct {
		about string
		flag  []string
		cm    map[string]string
		fault string
		want  string
	}{
		{"in one flag", []string{"MCSServiceDiscovery=false", "MCSAutoExport=true"}, nil,
			"MCSAutoExport=true by --feature-gates needs MCSServiceDiscovery=true, which is off by --feature-gates", "ServiceDiscovery off by flag, Host on by default (idle)"},
		{"in the order that does not matter", []string{"MCSHost=true", "MCSServiceDiscovery=false"}, nil,
			"MCSHost=true by --feature-gates needs MCSServiceDiscovery=true, which is off by --feature-gates", "ServiceDiscovery off by flag, Host on by default (idle)"},
		{"a ConfigMap that asks for what the flag makes impossible", []string{"MCSServiceDiscovery=false"}, map[string]string{"MCSClusterLocal": "false", "MCSHost": "false"},
			"MCSClusterLocal=false by ConfigMap hansa-system/hansa-features needs MCSServiceDiscovery=true, which is off by --feature-gates", "ServiceDiscovery off by flag, Host off by configmap"},
	} {
		t.Run(c.about, func(t *testing.T) {
			s, faults := heard(t, nil, c.flag, c.cm)
			if got := told(s); got != c.want || len(faults) != 1 || faults[0].Error() != c.fault {
				t.Errorf("%s, faults %q\nwant %s, %q", got, faults, c.want, c.fault)
			}
		})
	}
}

// A mistake is told with what there is to choose from, every one of several.
func TestMistakes(t *testing.T) {
	const all = "MCSServiceDiscovery, MCSHost, MCSClusterLocal, MCSAutoExport"
	flag := func(list ...string) error { _, err := ParseFlag(list); return err }
	env := func(pairs ...string) error {
		values := map[string]string{}
		for i := 0; i < len(pairs); i += 2 {
			values[pairs[i]] = pairs[i+1]
		}
		_, err := ReadEnvironment(func(name string) string { return values[name] })
		return err
	}
	cm := func(data map[string]string, former map[Gate]bool) error {
		_, faults := ReadConfigMap("ns/x", data, func(string) time.Time { return noon }, Layer{Values: former})
		return errors.Join(faults...)
	}
	for _, c := range []struct {
		err  error
		want string
	}{
		{flag("MCSHosts=true"), `gate "MCSHosts" is not known: want ` + all},
		{flag("MCSHost"), `"MCSHost": want Name=true or Name=false, of ` + all},
		{flag("MCSHost=yes", "x=true"), "gate MCSHost: value \"yes\": want true or false\ngate \"x\" is not known: want " + all},
		{flag("MCSHost=true", "MCSHost=false"), "gate MCSHost is both on and off: want one of them"},
		{env("ENABLE_MCS_HOST", "on"), `environment variable ENABLE_MCS_HOST, for gate MCSHost: value "on": want true or false`},
		{env("ENABLE_MCS_AUTO_EXPORT", "true", "ENABLE_MCS_AUTOEXPORT", "false"), "environment variables ENABLE_MCS_AUTO_EXPORT and ENABLE_MCS_AUTOEXPORT contradict each other: both turn gate MCSAutoExport"},
		{cm(map[string]string{"mcshost": "false"}, nil), `ConfigMap ns/x: gate "mcshost" is not known: want ` + all},
		{cm(map[string]string{"MCSHost": "flase"}, nil), `ConfigMap ns/x: gate MCSHost: value "flase": want true or false; it stands as if it were not there`},
		{cm(map[string]string{"MCSHost": "flase"}, map[Gate]bool{Host: false}), `ConfigMap ns/x: gate MCSHost: value "flase": want true or false; it stays off, as it was there before`},
	} {
		if c.err == nil || c.err.Error() != c.want {
			t.Errorf("%v\nwant %s", c.err, c.want)
		}
	}
}

// What is wrong in one line of the ConfigMap leaves the others, and what was read before.
func TestAMistakeMovesNoOtherGate(t *testing.T) {
	former, faults := ReadConfigMap("ns/x", map[string]string{"MCSServiceDiscovery": "false"}, func(string) time.Time { return noon }, Layer{})
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	l, faults := ReadConfigMap("ns/x", map[string]string{"MCSServiceDiscovery": "", "MCSClusterLocal": "true", "": "true"}, func(string) time.Time { return noon }, former)
	if want := map[Gate]bool{ServiceDiscovery: false, ClusterLocal: true}; len(faults) != 2 || !maps.Equal(l.Values, want) {
		t.Errorf("%v, faults %v, want %v and two", l.Values, faults, want)
	}
}

// Since when a gate stands so is told by the ConfigMap, and goes on while the value does, by whosever word.
func TestSince(t *testing.T) {
	s, _ := heard(t, nil, []string{"MCSHost=false"}, map[string]string{"MCSClusterLocal": "false"})
	if got := s[Host].Since; !got.Equal(noon) {
		t.Errorf("the flag's counts since %s, want the start", got)
	}
	if got := s[ClusterLocal].Since; !got.Equal(noon.Add(-time.Hour)) {
		t.Errorf("the ConfigMap's counts since %s, want what it says", got)
	}
	later, _ := Resolve(noon.Add(time.Hour), Layer{Origin: FromFlag, Values: map[Gate]bool{Host: false, AutoExport: true}})
	later = later.After(s)
	if got := later[Host].Since; !got.Equal(noon) {
		t.Errorf("what stayed counts since %s, want since before", got)
	}
	for _, g := range []Gate{ClusterLocal, AutoExport} {
		if got := later[g].Since; !got.Equal(noon.Add(time.Hour)) {
			t.Errorf("%s, which turned, counts since %s", g, got)
		}
	}
}

// Whatever is in the ConfigMap, all gates stand somehow, and nothing is read that was not written.
func FuzzConfigMap(f *testing.F) {
	f.Add("MCSHost", "false", "MCSServiceDiscovery", "0")
	f.Add("", "\xff", "MCSAutoExport", "TRUE")
	f.Fuzz(func(t *testing.T, k1, v1, k2, v2 string) {
		data := map[string]string{k1: v1, k2: v2}
		l, faults := ReadConfigMap("ns/x", data, func(string) time.Time { return time.Time{} }, Layer{})
		if len(l.Values)+len(faults) != len(data) {
			t.Errorf("%d keys, %d values, faults %v", len(data), len(l.Values), faults)
		}
		for g := range l.Values {
			if _, said := data[string(g)]; !said {
				t.Errorf("%s was not said", g)
			}
		}
		s, _ := Resolve(noon, l)
		for _, st := range s.List() {
			if st.Gate == "" || st.Since.IsZero() {
				t.Errorf("%+v", st)
			}
		}
	})
}

// However many mistakes there are, a few are told by name.
func TestMistakesAreBounded(t *testing.T) {
	data := map[string]string{"MCSHost": "false"}
	for n := range 4000 {
		data[fmt.Sprintf("gate-%04d", n)] = "true"
	}
	l, faults := ReadConfigMap("ns/x", data, func(string) time.Time { return noon }, Layer{})
	if len(faults) != maxFaults+1 || faults[maxFaults].Error() != "ConfigMap ns/x: 3990 more keys are mistakes" || len(l.Values) != 1 {
		t.Errorf("%d faults, the last %v; %v", len(faults), faults[len(faults)-1], l.Values)
	}
}

// A gate whose stronger word is refused is known not to stand as was asked.
func TestARefusedWordIsNoted(t *testing.T) {
	s, _ := heard(t, nil, []string{"MCSServiceDiscovery=false"}, map[string]string{"MCSAutoExport": "true"})
	if !s[AutoExport].Refused || s[AutoExport].On || s[Host].Refused {
		t.Errorf("%+v, %+v", s[AutoExport], s[Host])
	}
}
