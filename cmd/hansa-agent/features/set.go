package features

import (
	"fmt"
	"time"
)

// Standing is how one gate stands.
type Standing struct {
	Gate Gate
	On   bool
	// Origin and Where say by whose word: where is empty for the default.
	Origin Origin
	Where  string
	// Since is from when it stands so, as far as is known.
	Since time.Time
	// Idle says why it has no effect at present, "" if it has.
	Idle string
	// Refused means that a stronger word than the one it stands by asks for the impossible.
	Refused bool
}

// Set is how all gates stand, by name.
type Set map[Gate]Standing

// On reports whether a gate is on.
func (s Set) On(g Gate) bool { return s[g].On }

// List returns the gates in the order of Definitions.
func (s Set) List() []Standing {
	var list []Standing
	for _, d := range definitions {
		if st, known := s[d.Gate]; known {
			list = append(list, st)
		}
	}
	return list
}

// Resolve returns how the gates stand by what sources say, the weakest first, and what cannot be done of that. The
// strongest word on a gate counts. Who asks for something that needs MCSServiceDiscovery while that is off, by his own
// word or by that of a weaker source, asks for the impossible: that is a fault, and his word on it does not count. Where a
// stronger source turns MCSServiceDiscovery off it is none, and in the ConfigMap neither: there the brake may be pulled
// after all else was asked for, and must work. What needs MCSServiceDiscovery stands idle meanwhile.
func Resolve(now time.Time, layers ...Layer) (Set, []error) {
	s := Set{}
	for _, d := range definitions {
		s[d.Gate] = Standing{Gate: d.Gate, On: d.Default, Origin: FromDefault, Since: now}
	}
	var faults []error
	for _, l := range layers {
		on, said := l.Values[ServiceDiscovery]
		if said {
			s.take(l, ServiceDiscovery, on, now)
		}
		brake := said && l.Origin == FromConfigMap
		for _, d := range definitions {
			on, said := l.Values[d.Gate]
			switch {
			case !said || d.Gate == ServiceDiscovery:
			case d.needs != nil && on == *d.needs && !s.On(ServiceDiscovery) && !brake:
				faults = append(faults, fmt.Errorf("%s=%t by %s needs %s=true, which is off by %s", d.Gate, on, l.Where[d.Gate], ServiceDiscovery, s[ServiceDiscovery].Where))
				st := s[d.Gate]
				st.Refused = true
				s[d.Gate] = st
			default:
				s.take(l, d.Gate, on, now)
			}
		}
	}
	s.idle()
	return s, faults
}

// take lets the word of a source on a gate count.
func (s Set) take(l Layer, g Gate, on bool, now time.Time) {
	since := l.Since[g]
	if since.IsZero() || since.After(now) {
		since = now
	}
	s[g] = Standing{Gate: g, On: on, Origin: l.Origin, Where: l.Where[g], Since: since}
}

// idle says of which gates the value has no effect.
func (s Set) idle() {
	if s.On(ServiceDiscovery) {
		return
	}
	for _, d := range definitions {
		if st := s[d.Gate]; d.needs != nil && st.On == *d.needs {
			st.Idle = fmt.Sprintf("%s is off", ServiceDiscovery)
			s[d.Gate] = st
		}
	}
}

// After returns s as what follows on before: what stands as it stood, by whosever word, does so since then.
func (s Set) After(before Set) Set {
	next := Set{}
	for g, st := range s {
		if was, known := before[g]; known && was.On == st.On && was.Since.Before(st.Since) {
			st.Since = was.Since
		}
		next[g] = st
	}
	return next
}
