package election

import (
	"math"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// maxPatience is the most that a Lease's own leaseDurationSeconds counts. More is somebody's slip, which
// must not keep a cluster without a leader for years.
const maxPatience = time.Minute

// holder is the text of who holds a Lease, "" if it is nil or free.
func holder(l *coordinationv1.Lease) string {
	if l == nil || l.Spec.HolderIdentity == nil {
		return ""
	}
	return *l.Spec.HolderIdentity
}

// holding is who holds a Lease, zero if nobody does or nobody can read who.
func holding(l *coordinationv1.Lease) Identity {
	i, err := ParseIdentity(holder(l))
	if err != nil {
		return Identity{}
	}
	return i
}

// patience is how long a Lease must have been seen unchanged to be taken from its holder.
func patience(l *coordinationv1.Lease, duration time.Duration) time.Duration {
	if l.Spec.LeaseDurationSeconds == nil {
		return duration
	}
	return max(duration, min(time.Duration(*l.Spec.LeaseDurationSeconds)*time.Second, maxPatience))
}

// created is a Lease for who finds none.
func created(name string, me Identity, duration time.Duration, now time.Time) *coordinationv1.Lease {
	return &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       spec(me.String(), duration, now, now, 0),
	}
}

// taken is a Lease with another holder, of the version that l is.
func taken(l *coordinationv1.Lease, me Identity, duration time.Duration, now time.Time) *coordinationv1.Lease {
	next := l.DeepCopy()
	next.Spec = spec(me.String(), duration, now, now, grown(transitions(l)))
	return next
}

// renewed is our own Lease, and repairs what others wrote into it.
func renewed(l *coordinationv1.Lease, me Identity, duration time.Duration, now time.Time) *coordinationv1.Lease {
	acquired := now
	if l.Spec.AcquireTime != nil {
		acquired = l.Spec.AcquireTime.Time
	}
	next := l.DeepCopy()
	next.Spec = spec(me.String(), duration, acquired, now, transitions(l))
	return next
}

// released is our Lease given back: what client-go writes, a holder that is empty and the shortest duration.
func released(l *coordinationv1.Lease, now time.Time) *coordinationv1.Lease {
	next := l.DeepCopy()
	next.Spec = spec("", time.Second, now, now, transitions(l))
	return next
}

// spec is whole, so that nothing that somebody else wrote into it stays.
func spec(holder string, duration time.Duration, acquired, renewed time.Time, transitions int32) coordinationv1.LeaseSpec {
	seconds := int32(min(math.Ceil(duration.Seconds()), math.MaxInt32))
	return coordinationv1.LeaseSpec{
		HolderIdentity:       &holder,
		LeaseDurationSeconds: &seconds,
		AcquireTime:          &metav1.MicroTime{Time: acquired},
		RenewTime:            &metav1.MicroTime{Time: renewed},
		LeaseTransitions:     &transitions,
	}
}

func transitions(l *coordinationv1.Lease) int32 {
	if l.Spec.LeaseTransitions == nil {
		return 0
	}
	return max(0, *l.Spec.LeaseTransitions)
}

// grown begins again after the greatest number, as the API server refuses a negative one.
func grown(n int32) int32 {
	if n == math.MaxInt32 {
		return 0
	}
	return n + 1
}
