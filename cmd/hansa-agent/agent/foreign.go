package agent

import (
	"errors"
	"fmt"

	"github.com/hansa-mcs/hansa/cmd/hansa-agent/state"
)

// foreignError says that this agent was pointed at another cluster than its own. It may neither lead it nor write
// into it.
type foreignError struct{ message string }

func (e *foreignError) Error() string { return e.message }

func isForeign(err error) bool {
	_, foreign := errors.AsType[*foreignError](err)
	return foreign
}

// blameCluster returns err, unless that says that the ConfigMap is another cluster's: then it ends this agent, and
// what it returns says what a person can do.
func (m *member) blameCluster(err error) error {
	other, ok := errors.AsType[*state.OtherClusterError](err)
	if !ok {
		return err
	}
	err = wrongCluster(m.options, string(other.Found), m.rest.Host)
	select {
	case m.foreign <- err:
	default: // it is being told already
	}
	return err
}

func wrongCluster(o Options, found, host string) error {
	return &foreignError{fmt.Sprintf("--cluster %[1]q: ConfigMap %[2]s/%[3]s at %[4]s says self: %[5]q, so it is the state of cluster %[5]q: "+
		"check --kubeconfig and --context, and --namespace if another cluster's agent has its own there; if this cluster is to be %[1]q from now on, which is leaving and joining anew, "+
		"stop its agents, then: kubectl -n %[2]s patch configmap %[3]s --type merge -p '{\"data\":{\"self\":\"%[1]s\"}}'",
		o.Cluster, o.Namespace, state.DefaultName, host, found)}
}
