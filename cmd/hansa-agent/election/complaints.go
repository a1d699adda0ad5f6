package election

import (
	"context"
	"errors"
	"log/slog"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// cause is a kind of trouble that people can do one thing about.
type cause string

const (
	none        cause = ""
	unreachable cause = "unreachable"
	forbidden   cause = "forbidden"
	nameless    cause = "unauthorized"
	homeless    cause = "no namespace"
	ending      cause = "namespace ends"
	refusal     cause = "refused"
)

// causeOf says what a request failed of. What only says that somebody else was faster is none.
func causeOf(t tried) cause {
	switch {
	case t.err == nil, outdated(t):
		return none
	case apierrors.HasStatusCause(t.err, corev1.NamespaceTerminatingCause):
		return ending
	case apierrors.IsForbidden(t.err):
		return forbidden
	case apierrors.IsUnauthorized(t.err):
		return nameless
	case lacksNamespace(t.err):
		return homeless
	case refused(t.err):
		return refusal
	}
	return unreachable
}

func lacksNamespace(err error) bool {
	status, answered := errors.AsType[*apierrors.StatusError](err)
	return answered && apierrors.IsNotFound(err) && status.ErrStatus.Details != nil && status.ErrStatus.Details.Kind == "namespaces"
}

// complaints tell people what is in the way of the Lease: each cause once, until it is over.
type complaints struct {
	log       *slog.Logger
	namespace string
	lease     string
	open      map[verb]cause
}

// note takes in what became of a request.
func (c *complaints) note(ctx context.Context, t tried) {
	now := causeOf(t)
	if now == c.open[t.verb] {
		return
	}
	if now == none {
		c.drop(ctx, t.verb)
		return
	}
	told := c.has(now)
	c.open[t.verb] = now
	if !told {
		c.tell(ctx, now, t)
	}
}

// drop takes back what was told of requests that succeed again, or that nobody needs any more.
func (c *complaints) drop(ctx context.Context, verbs ...verb) {
	for _, v := range verbs {
		was := c.open[v]
		delete(c.open, v)
		if was != none && len(c.open) == 0 {
			c.log.InfoContext(ctx, "nothing is in the way of the Lease any more")
		}
	}
}

func (c *complaints) has(what cause) bool {
	for _, open := range c.open {
		if open == what {
			return true
		}
	}
	return false
}

func (c *complaints) tell(ctx context.Context, what cause, t tried) {
	log := c.log.With("verb", string(t.verb), "err", t.err)
	switch what {
	case forbidden:
		log.ErrorContext(ctx, "the API server does not let this agent use the Lease, so it cannot lead",
			"hint", "apply docs/roles.yaml if --namespace "+c.namespace+" is right: the agent's Role in namespace "+c.namespace+" must allow get, list, watch and update on leases.coordination.k8s.io named "+
				c.lease+", and create without a name")
	case nameless:
		log.ErrorContext(ctx, "the API server does not know who this agent is, so it cannot lead", "hint", "check the credentials, or the token, that the agent was given")
	case homeless:
		log.ErrorContext(ctx, "the namespace of the Lease does not exist, so no agent can lead", "hint", "kubectl create namespace "+c.namespace)
	case ending:
		log.ErrorContext(ctx, "the namespace of the Lease is being deleted, so no agent can lead", "hint", "wait until it is gone, then: kubectl create namespace "+c.namespace)
	case refusal:
		log.ErrorContext(ctx, "the API server refuses what this agent asks about the Lease, so it cannot lead",
			"hint", "kubectl -n "+c.namespace+" get lease "+c.lease+" -o yaml shows what it looks like; it may be deleted")
	default:
		log.WarnContext(ctx, "the API server does not answer about the Lease; trying again")
	}
}
