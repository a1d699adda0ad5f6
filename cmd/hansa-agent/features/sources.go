package features

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Origin is a kind of source. Each overrides those before it.
type Origin string

// The origins, from the weakest.
const (
	FromDefault     Origin = "default"
	FromEnvironment Origin = "environment"
	FromFlag        Origin = "flag"
	FromConfigMap   Origin = "configmap"
)

// Layer is what one source says.
type Layer struct {
	Origin Origin
	// Values are the gates that it turns.
	Values map[Gate]bool
	// Where names the place of each value, as a person would look for it; Since is from when it is, zero if not known.
	Where map[Gate]string
	Since map[Gate]time.Time
}

func newLayer(o Origin) Layer {
	return Layer{Origin: o, Values: map[Gate]bool{}, Where: map[Gate]string{}, Since: map[Gate]time.Time{}}
}

func (l *Layer) set(g Gate, on bool, where string) { l.Values[g], l.Where[g] = on, where }

// ParseFlag reads the values of --feature-gates, each Name=bool. The error names every mistake.
func ParseFlag(list []string) (Layer, error) {
	l := newLayer(FromFlag)
	var errs []error
	for _, text := range list {
		g, on, err := ParseSetting(text)
		switch before, twice := l.Values[g]; {
		case err != nil:
			errs = append(errs, err)
		case twice && before != on:
			errs = append(errs, fmt.Errorf("gate %s is both on and off: want one of them", g))
		default:
			l.set(g, on, "--"+Flag)
		}
	}
	return l, errors.Join(errs...)
}

// ParseSetting reads Name=bool.
func ParseSetting(text string) (Gate, bool, error) {
	name, value, found := strings.Cut(text, "=")
	name = strings.TrimSpace(name)
	if !found {
		return "", false, fmt.Errorf("%q: want Name=true or Name=false, of %s", clip(text), known())
	}
	g, err := ParseGate(name)
	if err != nil {
		return "", false, err
	}
	on, err := parseBool(value)
	if err != nil {
		return "", false, fmt.Errorf("gate %s: %w", g, err)
	}
	return g, on, nil
}

// ParseGate reads the name of a gate.
func ParseGate(name string) (Gate, error) {
	if definitionOf(Gate(name)) == nil {
		return "", errUnknown(name)
	}
	return Gate(name), nil
}

func parseBool(text string) (bool, error) {
	on, err := strconv.ParseBool(strings.TrimSpace(text))
	if err != nil {
		return false, fmt.Errorf("value %q: want true or false", clip(text))
	}
	return on, nil
}

// ReadEnvironment reads the variables of the gates. An empty one is none. The error names every mistake.
func ReadEnvironment(getenv func(string) string) (Layer, error) {
	l := newLayer(FromEnvironment)
	var errs []error
	for _, d := range definitions {
		for _, variable := range d.Environment {
			text := getenv(variable)
			if text == "" {
				continue
			}
			on, err := parseBool(text)
			switch before, twice := l.Values[d.Gate]; {
			case err != nil:
				errs = append(errs, fmt.Errorf("environment variable %s, for gate %s: %w", variable, d.Gate, err))
			case twice && before != on:
				errs = append(errs, fmt.Errorf("environment variables %s and %s contradict each other: both turn gate %s", l.Where[d.Gate], variable, d.Gate))
			case !twice:
				l.set(d.Gate, on, variable)
			}
		}
	}
	return l, errors.Join(errs...)
}

// ReadConfigMap reads the data of the ConfigMap of that name. A value that cannot be read leaves the gate as former has
// it, if it says something of it, and what else is said takes effect: a slip in one line moves no other gate. Every
// mistake is returned, in the order of the keys.
func ReadConfigMap(name string, data map[string]string, since func(key string) time.Time, former Layer) (Layer, []error) {
	l := newLayer(FromConfigMap)
	var faults []error
	where := "ConfigMap " + name
	for _, key := range slices.Sorted(maps.Keys(data)) {
		g, err := ParseGate(key)
		if err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", where, err))
			continue
		}
		on, err := parseBool(data[key])
		if err != nil {
			before, said := former.Values[g]
			if !said {
				faults = append(faults, fmt.Errorf("%s: gate %s: %w; it stands as if it were not there", where, g, err))
				continue
			}
			on = before
			faults = append(faults, fmt.Errorf("%s: gate %s: %w; it stays %s, as it was there before", where, g, err, word(on)))
		}
		l.set(g, on, where)
		l.Since[g] = since(key)
	}
	if more := len(faults) - maxFaults; more > 0 { // whoever wrote them, nobody reads thousands
		faults = append(faults[:maxFaults], fmt.Errorf("%s: %d more keys are mistakes", where, more))
	}
	return l, faults
}

// maxFaults bounds how many mistakes are told by name.
const maxFaults = 10

func word(on bool) string {
	if on {
		return "on"
	}
	return "off"
}
