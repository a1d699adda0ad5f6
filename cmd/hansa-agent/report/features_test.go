package report

import (
	"fmt"
	"strings"
	"time"

	"github.com/hansa-mcs/hansa/cmd/hansa-agent/features"
	"github.com/hansa-mcs/hansa/importer"
)

// turn turns a gate. The importer obeys.
func (s *story) turn(name string, on bool, origin, where string) {
	g := Gate{Name: name, On: on, Origin: origin, Where: where, Since: utc(time.Now())}
	for _, d := range features.Definitions() {
		if string(d.Gate) == name && on {
			g.Means = d.On
		} else if string(d.Gate) == name {
			g.Means = d.Off
		}
	}
	s.scene.Gates = append(s.scene.Gates, g)
	if features.Gate(name) == features.ServiceDiscovery {
		s.importer.SetGates(importer.Gates{Discovery: on, Hosts: true, ClusterLocal: true})
	}
}

// steer takes what a person asks of the agents, and how that goes.
func (s *story) steer(verb string, words []string) error {
	a := &s.scene.AutoExport
	switch verb {
	case "gate":
		s.turn(words[0], words[1] == "on", words[2], strings.Join(words[3:], " "))
	case "idle":
		s.scene.Gates[len(s.scene.Gates)-1].Idle = strings.Join(words, " ")
	case "fault":
		s.scene.Faults = append(s.scene.Faults, strings.Join(words, " "))
	case "freeze":
		s.importer.Freeze(true)
		s.scene.Frozen = new(utc(time.Now()))
	case "auto":
		a.Trouble = strings.Join(words[1:], " ")
		_, err := fmt.Sscan(words[0], &a.Made)
		return err
	case "select":
		a.NamespaceSelector, a.ServiceSelector = words[0], words[1]
	case "stay":
		a.ClusterLocal = words
	case "xds":
		s.scene.XDS = newDiscovery()
	default:
		return fmt.Errorf("unknown verb %q", verb)
	}
	return nil
}
