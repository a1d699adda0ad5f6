package agent

import (
	"strings"
	"testing"
	"time"

	"github.com/hansa-mcs/hansa/federation"
)

func TestHowLongASilentClusterIsServedIsWhatTheFlagSays(t *testing.T) {
	const demoted, exception = "behind what other clusters have ready (--demote-after), ", "; a ServiceExport may say otherwise"
	for want, o := range map[string]Options{
		demoted + "however long that takes (--withdraw-after)":                          {},
		demoted + "and after 1h0m0s no more (--withdraw-after)" + exception:             {WithdrawAfter: time.Hour},
		"after 5s " + demoted + "and after 1m0s no more (--withdraw-after)" + exception: {DemoteAfter: 5 * time.Second, WithdrawAfter: time.Minute},
		"after 5s " + demoted + "however long that takes (--withdraw-after)":            {DemoteAfter: 5 * time.Second},
	} {
		if got := servedFor(o); got != want {
			t.Errorf("%+v: %q, want %q", o, got, want)
		}
	}
}

func TestWhoWasNotToldThatThisClusterLeft(t *testing.T) {
	const text = "this cluster has left the clusterset, as annotation hansa.dev/leave of this ConfigMap asks; it exports and imports nothing, and joins again when the annotation is removed"
	const more = "; those who have not confirmed it treat this cluster as one that fell silent: "
	for _, c := range []struct {
		silent string
		want   string
	}{
		{"", text},
		{"a", text + more + "a"},
		{"a b c d e f g h", text + more + "a, b, c, d, e, f, g, h"},
		{"a b c d e f g h i j", text + more + "a, b, c, d, e, f, g, h, 2 more"},
	} {
		var silent []federation.ClusterID
		for id := range strings.FieldsSeq(c.silent) {
			silent = append(silent, federation.ClusterID(id))
		}
		if got := leftText(silent); got != c.want {
			t.Errorf("%q: %q, want %q", c.silent, got, c.want)
		}
	}
}
