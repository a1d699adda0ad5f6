package federation

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hansa-mcs/hansa/integration/rule"
)

// Of each part that is refused stands what was said before, or nothing, and all the rest is what it is to be.
func TestAMistakeInOnePartCostsNoOther(t *testing.T) {
	rule.Covers(t, "E8")
	former := edited(web("east", "web", "10.0.0.9"), func(e *Export) {
		e.Annotations, e.TrafficDistribution, e.InternalTrafficPolicy = map[string]string{"note": "old"}, "PreferClose", "Local"
		e.SessionAffinity, e.SessionAffinitySeconds = "ClientIP", 60
		e.Ports = append(e.Ports, Port{Name: "odd", Protocol: UDP, Number: 53})
	})
	for what, c := range map[string]struct {
		spoil          func(*Export)
		with, without  func(*Export) // what stands, if there was something before, and if not
		former, scarce string        // and what is said of it
	}{
		"labels": {
			func(e *Export) { e.Labels = map[string]string{"team": "-", "good": "x"} },
			func(e *Export) { e.Labels = former.Labels }, func(e *Export) { e.Labels = nil },
			"with the former exportedLabels", "without exportedLabels",
		},
		"annotations": {
			func(e *Export) { e.Annotations = map[string]string{"/": ""} },
			func(e *Export) { e.Annotations = former.Annotations }, func(e *Export) { e.Annotations = nil },
			"with the former exportedAnnotations", "without exportedAnnotations",
		},
		"traffic distribution": {
			func(e *Export) { e.TrafficDistribution = text(254) },
			func(e *Export) { e.TrafficDistribution = "PreferClose" }, func(*Export) {},
			"with the former traffic distribution", "without traffic distribution",
		},
		"traffic policy": {
			func(e *Export) { e.InternalTrafficPolicy = "local" },
			func(e *Export) { e.InternalTrafficPolicy = "Local" }, func(*Export) {},
			"with the former internal traffic policy", "without internal traffic policy",
		},
		"affinity": {
			func(e *Export) { e.SessionAffinitySeconds = -1 },
			func(e *Export) { e.SessionAffinity, e.SessionAffinitySeconds = "ClientIP", 60 }, func(*Export) {},
			"with the former session affinity", "without session affinity",
		},
		"families": {
			func(e *Export) { e.IPFamilies = []IPFamily{"IPv5"} },
			func(*Export) {}, func(e *Export) { e.IPFamilies = nil },
			"with the former IP families", "without IP families",
		},
		"a port": {
			func(e *Export) {
				e.Ports = append(e.Ports, Port{Name: "odd", Protocol: "ICMP", Number: 1})
				e.Subsets[0].Ports = append(e.Subsets[0].Ports, TargetPort{"odd", UDP, 5353})
			},
			func(e *Export) {
				e.Ports = append(e.Ports, Port{Name: "odd", Protocol: UDP, Number: 53})
				e.Subsets[0].Ports = append(e.Subsets[0].Ports, TargetPort{"odd", UDP, 5353})
			}, func(*Export) {},
			"with the other ports", "with the other ports",
		},
		"a port twice": {
			func(e *Export) { e.Ports = append(e.Ports, Port{Name: "http", Protocol: TCP, Number: 1}) },
			func(*Export) {}, func(*Export) {},
			"with the other ports", "with the other ports",
		},
		"an endpoint": {
			func(e *Export) {
				e.Subsets[0].Endpoints = slices.Insert(e.Subsets[0].Endpoints, 0, Endpoint{Address: web("east", "web", "127.0.0.1").Subsets[0].Endpoints[0].Address})
			},
			func(*Export) {}, func(*Export) {},
			"with the other endpoints", "with the other endpoints",
		},
		"a target port": {
			func(e *Export) { e.Subsets[0].Ports = append(e.Subsets[0].Ports, TargetPort{"", TCP, 0}) },
			func(*Export) {}, func(*Export) {},
			"with the other endpoints", "with the other endpoints",
		},
	} {
		t.Run(what, func(t *testing.T) {
			for _, before := range []*Export{former, nil} {
				want, instead := edited(web("east", "web", "10.0.0.1", "10.0.0.2"), c.without), c.scarce
				if before != nil {
					want, instead = edited(web("east", "web", "10.0.0.1", "10.0.0.2"), c.with), c.former
				}
				e := edited(web("east", "web", "10.0.0.1", "10.0.0.2"), c.spoil)
				refusal := e.Check()
				faults := e.Mend(before)
				if len(faults) != 1 || refusal == nil || faults[0].Err.Error() != refusal.Error() || faults[0].Instead != instead {
					t.Errorf("faults %+v, want %v, %q", faults, refusal, instead)
				}
				if err := e.Check(); err != nil || !e.Equal(want) {
					t.Errorf("it is %+v (%v), want %+v", e, err, want)
				}
			}
		})
	}
}

// Whom a service is for, and what it is, is never made up; nor is a port where there is none, nor taken what is as bad.
func TestWhatCannotBeMendedIsRefused(t *testing.T) {
	for what, spoil := range map[string]func(*Export){
		"consumers":  func(e *Export) { e.Consumers = []string{"!"} },
		"times":      func(e *Export) { e.Quiet.Demote.After = -1 },
		"type":       func(e *Export) { e.Type = "" },
		"time":       func(e *Export) { e.Created = time.Time{} },
		"every port": func(e *Export) { e.Ports[0].Name, e.Ports[0].Number = "other", 0 },
		"name":       func(e *Export) { e.Name.Name = "" },
	} {
		e := edited(web("east", "web", "10.0.0.1"), spoil)
		if e.Mend(web("east", "web", "10.0.0.1")); e.Check() == nil {
			t.Errorf("%s: it is %+v", what, e)
		}
	}
	bad := func(e *Export) { e.Labels = map[string]string{"team": "-"} }
	e := edited(web("east", "web", "10.0.0.1"), bad)
	if faults := e.Mend(edited(e, bad)); e.Check() != nil || len(e.Labels) > 0 || len(faults) != 1 || faults[0].Instead != "without exportedLabels" {
		t.Errorf("as bad before: %+v, %+v", e, faults)
	}
	e = web("east", "web", "10.0.0.1")
	if faults := e.Mend(web("east", "web")); len(faults) > 0 || !e.Equal(web("east", "web", "10.0.0.1")) {
		t.Errorf("what is right became %+v: %+v", e, faults)
	}
}

// Of too many, those stay that were there before, so that what is added takes nothing from who uses the others.
func TestTooManyAreCut(t *testing.T) {
	former := edited(web("east", "web", "10.0.0.1"), func(e *Export) { e.Ports = ports(MaxPorts) })
	e := edited(former, func(e *Export) {
		e.Ports = slices.Insert(e.Ports, 0, Port{Name: "new", Protocol: TCP, Number: 1000})
		e.Subsets[0].Ports = []TargetPort{{"new", TCP, 1}, {"p-99", TCP, 2}}
	})
	if e.Mend(former); e.Check() != nil || !slices.Equal(e.Ports, former.Ports) || !slices.Equal(e.Subsets[0].Ports, []TargetPort{{"p-99", TCP, 2}}) {
		t.Errorf("ports %+v, subsets %+v", e.Ports, e.Subsets)
	}
	e = edited(former, func(e *Export) { e.Ports = ports(MaxPorts + 1) })
	if e.Mend(nil); e.Check() != nil || !slices.Equal(e.Ports, ports(MaxPorts)) {
		t.Errorf("ports %+v", e.Ports)
	}
	e = web("east", "web")
	e.Subsets = []Subset{{Ports: targets(1), Endpoints: endpoints(MaxEndpoints - 1)}, {Ports: targets(2), Endpoints: endpoints(3)}}
	if e.Mend(nil); e.Check() != nil || e.EndpointCount() != MaxEndpoints {
		t.Errorf("%d endpoints", e.EndpointCount())
	}
}

// Several mistakes are each told.
func TestEachMistakeIsTold(t *testing.T) {
	e := edited(web("east", "web", "10.0.0.1"), func(e *Export) {
		e.Labels, e.Annotations = map[string]string{"a": strings.Repeat("x", 64)}, maps.Clone(pairs(65, 1000))
	})
	faults := e.Mend(nil)
	if len(faults) != 2 || e.Check() != nil || !strings.HasPrefix(faults[0].Err.Error(), `exportedLabels "a": value`) || !strings.HasPrefix(faults[1].Err.Error(), "65 exportedAnnotations of") {
		t.Errorf("faults %+v", faults)
	}
}
