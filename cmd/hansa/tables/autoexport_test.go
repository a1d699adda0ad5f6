package tables

import (
	"bytes"
	"testing"

	"github.com/hansa-mcs/hansa/cmd/hansa/preview"
	"github.com/hansa-mcs/hansa/exporter"
)

func TestAutoExport(t *testing.T) {
	for want, a := range map[string]*preview.Auto{
		"MCSAutoExport is off: nothing is made until hansa features set MCSAutoExport=true\n\nThere is no Service.\n": {},
		`MCSAutoExport is on

NAMESPACE  NAME  ACTION   WHY
bar        tap   delete   opted out by annotation hansa.dev/export of the namespace
shop       mine  nothing  exported by hand
shop       web   create   no rule leaves it out

Auto-export would create 1 ServiceExport and delete 1.
`: {On: true, Create: 1, Delete: 1, Services: []preview.AutoService{
			{Namespace: "bar", Name: "tap", Action: exporter.AutoDelete, Why: "opted out by annotation hansa.dev/export of the namespace"},
			{Namespace: "shop", Name: "mine", Action: exporter.AutoNothing, Why: "exported by hand"},
			{Namespace: "shop", Name: "web", Action: exporter.AutoCreate, Why: "no rule leaves it out"},
		}},
	} {
		var b bytes.Buffer
		if err := AutoExport(&b, a); err != nil || b.String() != want {
			t.Errorf("error %v, got\n%s\nwant\n%s", err, b.String(), want)
		}
	}
}
