package agent

import (
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/hansa-mcs/hansa/cmd/hansa-agent/features"
)

// The reasons of the Events that are about what a person switches.
const (
	reasonTurned   = "FeatureGateTurned"
	reasonNotTaken = "FeatureGateRefused"
	reasonFrozen   = "ImportsFrozen"
	reasonReleased = "ImportsReleased"
)

// board is how everything stands that a person switches.
type board struct {
	known  bool // the zero board is of an agent that has not looked yet
	gates  features.Set
	faults []string
	frozen bool
}

// board returns how all that stands.
func (m *member) board() board {
	gates, faults, _ := m.switches.now()
	said, _ := m.departure.now()
	return board{true, gates, faults, said.freeze.Asked}
}

// turn tells what stands otherwise than before. What stood when this agent began to look is no news.
func (b board) turn(p *page, before board) {
	if !before.known {
		return
	}
	for _, st := range b.gates.List() {
		if st.On != before.gates.On(st.Gate) {
			p.write(corev1.EventTypeNormal, reasonTurned, "gate %s is %s, by %s: %s", st.Gate, onOff(st.On), by(st), meaning(st))
		}
	}
	for _, fault := range b.faults {
		if !slices.Contains(before.faults, fault) {
			p.write(corev1.EventTypeWarning, reasonNotTaken, "%s", fault)
		}
	}
	switch {
	case b.frozen && !before.frozen:
		p.write(corev1.EventTypeWarning, reasonFrozen, "what is imported stays as it is, whatever other clusters say, as a person asked; hansa unfreeze releases it")
	case before.frozen && !b.frozen:
		p.write(corev1.EventTypeNormal, reasonReleased, "what is imported follows the other clusters again")
	}
}

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

// meaning says what a gate means as it stands.
func meaning(st features.Standing) string {
	if st.Idle != "" {
		return "nothing, as " + st.Idle
	}
	return features.Meaning(st.Gate, st.On)
}
