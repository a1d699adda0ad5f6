package main

import (
	"errors"

	"github.com/hansa-mcs/hansa/federation/trust/enroll"
)

// The exit statuses beside 0. Those of `hansa status` mean degraded and failed; the others say why a cluster was not let
// in, one for each enroll.Code, so that a script can tell.
const (
	exitFailed = 1
	exitUsage  = 2
	exitRefuse = 10
)

// refusals are the codes in the order of their exit statuses, from exitRefuse on; a new one is put at the end.
var refusals = []enroll.Code{
	enroll.Invalid, enroll.Unknown, enroll.Expired, enroll.Used, enroll.Bound, enroll.Taken, enroll.Certificate,
	enroll.NoCA, enroll.Busy, enroll.Failed, enroll.Foreign, enroll.Protocol, enroll.Answer,
}

// errUsage is wrapped by what is wrong with what was typed.
var errUsage = errors.New("see --help")

// status returns the exit status of an error.
func status(err error) int {
	if err == nil {
		return 0
	}
	if status, ok := isVerdict(err); ok {
		return status
	}
	code := enroll.CodeOf(err)
	for i, c := range refusals {
		if c == code {
			return exitRefuse + i
		}
	}
	if errors.Is(err, errUsage) {
		return exitUsage
	}
	return exitFailed
}
