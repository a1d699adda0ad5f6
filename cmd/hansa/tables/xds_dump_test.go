package tables

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/hansa-mcs/hansa/cmd/hansa-agent/report"
)

// What there is not is said with the reasons, and a client is called by its address too.
func TestXDSDumpSaysWhatThereIsNot(t *testing.T) {
	grpc := report.XDSAudience{Kind: "grpc"}
	plain := []report.XDSResource{{Type: report.CDS, Name: "plain", Message: json.RawMessage(`{}`)}, {Type: report.CDS, Name: "bad", Fault: "port 0"}}
	var empty []report.XDSResource
	for _, host := range "aabcdefghi" { // two ports of a
		empty = append(empty, report.XDSResource{Type: report.EDS, Name: string(host), Message: json.RawMessage(`{}`), Hint: string(host) + " has none"})
	}
	for _, c := range []struct {
		told report.XDSResources
		want string
	}{
		{report.XDSResources{Agent: "a", Client: "web-1", Address: "10.0.0.7:1", Audience: grpc, Lacks: []string{"one \x1b[2J", "two"}},
			"As agent a tells client web-1 at 10.0.0.7:1, of kind grpc, region -, zone -\n\n  - one  [2J\n  - two\n"},
		{report.XDSResources{Agent: "a", Address: "10.0.0.7:1", Audience: grpc},
			"As agent a tells client at 10.0.0.7:1, of kind grpc, region -, zone -\nThere is no resource.\n"},
		{report.XDSResources{Agent: "a", Audience: grpc, Resources: plain, Lacks: []string{"one"}},
			"As agent a tells a client of kind grpc, region -, zone -\n\nCLUSTER  BALANCED     PROTOCOL\nplain    round robin  -\n\n  ! cds bad is told to nobody: port 0\n  - one\n"},
		{report.XDSResources{Agent: "a", Audience: grpc, Resources: empty[:2], Lacks: []string{"one"}},
			"As agent a tells a client of kind grpc, region -, zone -\n\nENDPOINTS OF  PRIORITY  CLUSTER  REGION  ZONE  ADDRESS  HEALTH\n" +
				strings.Repeat("a             -         -        -       -     -        -\n", 2) + "\n  - a has none\n  - one\n"},
	} {
		var b bytes.Buffer
		if err := XDSDump(&b, &c.told, nil, false); err != nil || b.String() != c.want {
			t.Errorf("%v\n%q\nwant\n%q", err, b.String(), c.want)
		}
	}
	if got := hints(empty); len(got) != 9 || got[1] != "  - b has none" || got[8] != "  - and so 1 host more" {
		t.Errorf("%q", got)
	}
}
