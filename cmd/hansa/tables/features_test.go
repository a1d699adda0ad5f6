package tables

import (
	"bytes"
	"testing"

	"github.com/hansa-mcs/hansa/cmd/hansa-agent/report"
)

func gates() []report.Gate {
	return []report.Gate{
		{Name: "MCSServiceDiscovery", On: true, Origin: "default", Since: noon, Means: "all is served"},
		{Name: "MCSHost", Origin: "environment", Where: "ENABLE_MCS_HOST", Since: noon, Means: "no names"},
		{Name: "MCSClusterLocal", On: true, Origin: "flag", Where: "--feature-gates", Since: noon, Means: "this cluster alone"},
		{Name: "MCSAutoExport", On: true, Origin: "configmap", Where: "ConfigMap a/b", Since: noon, Means: "exports", Idle: "MCSServiceDiscovery is off"},
		{Name: "Later", Origin: "default"},
	}
}

const gatesTable = `NAME                 STATE     BY                           SINCE                 MEANS
MCSServiceDiscovery  on        default                      2026-03-01T12:00:00Z  all is served
MCSHost              off       environment ENABLE_MCS_HOST  2026-03-01T12:00:00Z  no names
MCSClusterLocal      on        flag --feature-gates         2026-03-01T12:00:00Z  this cluster alone
MCSAutoExport        on, idle  ConfigMap a/b                2026-03-01T12:00:00Z  nothing, as MCSServiceDiscovery is off
Later                off       default                      -                     -
`

func TestFeatures(t *testing.T) {
	all, off := gates(), report.Gate{Name: "MCSAutoExport", Origin: "default"}
	for about, c := range map[string]struct {
		is   report.Features
		wide bool
		want string
	}{
		"nothing to say of any": {report.Features{Gates: all[:1]}, false, `NAME                 STATE  BY       SINCE                 MEANS
MCSServiceDiscovery  on     default  2026-03-01T12:00:00Z  all is served
`},
		"all of it": {report.Features{
			Gates: all, Faults: []string{"one", "two\x1b[2J"}, Frozen: new(noon),
			AutoExport: report.AutoExport{NamespaceSelector: "team=a", ServiceSelector: "tier", ClusterLocal: []string{"*.x.svc.y", "a.x.svc.y=false"}, Made: 2, Trouble: "it may not"},
		}, false, gatesTable + `
  ! one
  ! two [2J
What is imported is frozen since 2026-03-01T12:00:00Z: it stays as it is, whatever other clusters say; hansa unfreeze releases it.
Auto-export made 2 ServiceExports, of Services with tier in namespaces with team=a; --cluster-local *.x.svc.y,a.x.svc.y=false.
  ! it may not
`},
		"auto-export without rules": {report.Features{Gates: all[3:4], AutoExport: report.AutoExport{Made: 1}}, false, `NAME           STATE     BY             SINCE                 MEANS
MCSAutoExport  on, idle  ConfigMap a/b  2026-03-01T12:00:00Z  nothing, as MCSServiceDiscovery is off

Auto-export made 1 ServiceExport, of all Services in all namespaces.
`},
		"trouble of auto-export that is off": {report.Features{Gates: []report.Gate{off}, AutoExport: report.AutoExport{Made: 2, Trouble: "it may not"}}, false, `NAME           STATE  BY       SINCE  MEANS
MCSAutoExport  off    default  -      -

Auto-export is off; still there of what it made: 2 ServiceExports.
  ! it may not
`},
		"auto-export that left nothing behind": {report.Features{Gates: []report.Gate{off}, AutoExport: report.AutoExport{ServiceSelector: "tier"}}, false, `NAME           STATE  BY       SINCE  MEANS
MCSAutoExport  off    default  -      -
`},
		"wide": {report.Features{Gates: []report.Gate{all[1], all[4]}}, true, `NAME     STATE  BY                           SINCE                 MEANS     DEFAULT  ENVIRONMENT
MCSHost  off    environment ENABLE_MCS_HOST  2026-03-01T12:00:00Z  no names  on       ENABLE_MCS_HOST
Later    off    default                      -                     -         -        -
`},
	} {
		t.Run(about, func(t *testing.T) {
			var b bytes.Buffer
			if err := Features(&b, &c.is, c.wide); err != nil || b.String() != c.want {
				t.Errorf("%v\n%s\nwant\n%s", err, b.String(), c.want)
			}
		})
	}
}
