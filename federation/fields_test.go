package federation

import (
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// full returns an Export that leaves no field empty.
func full() *Export {
	return &Export{
		Cluster:                "east",
		Name:                   ServiceName{Namespace: "shop", Name: "web"},
		Created:                time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		Type:                   ClusterSetIP,
		Ports:                  []Port{{"http", TCP, "kubernetes.io/h2c", 80}, {"dns", UDP, "dns", 53}},
		IPFamilies:             []IPFamily{IPv6, IPv4},
		SessionAffinity:        "ClientIP",
		SessionAffinitySeconds: 600,
		InternalTrafficPolicy:  "Local",
		TrafficDistribution:    "PreferClose",
		Labels:                 map[string]string{"team": "shop", "tier": "front"},
		Annotations:            map[string]string{"hansa.dev/note": "grüß Gott"},
		Network:                "vpc-1",
		Consumers:              []string{"eu-*", "west"},
		Quiet:                  Quiet{Demote: Delay{true, time.Minute}, Withdraw: Delay{true, time.Hour}},
		Steering:               Steering{Prefer: []string{"west", NearAny}, Weights: []Weight{{"east", 10}, {"west", 20}}, MinHealthy: 70},
		Drain:                  Drain{Since: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Over: time.Minute},
		Extra:                  []byte{0xf8, 0x07, 0x01},
		Subsets: []Subset{{
			Ports: []TargetPort{{"dns", UDP, 5353}, {"http", TCP, 8080}},
			Endpoints: []Endpoint{
				{netip.MustParseAddr("10.0.0.1"), "web-0", "z1", "r1", "node-1", Ready | Serving},
				{netip.MustParseAddr("fd00::1"), "web-1", "z2", "r2", "node-2", Terminating},
			},
		}, {
			Ports:     []TargetPort{{"http", TCP, 8081}},
			Endpoints: []Endpoint{{netip.MustParseAddr("10.0.0.1"), "web-0", "z1", "r1", "node-1", Ready}},
		}},
	}
}

// difference is one way in which an Export may differ from full.
type difference struct {
	path string
	make func(reflect.Value)
	get  func(*Export) reflect.Value
}

func (d difference) of() *Export {
	e := full()
	d.make(d.get(e))
	return e
}

// differences walks all fields there are, so that no field that is added can be forgotten.
func differences(t *testing.T) (list []difference) {
	var walk func(path string, get func(*Export) reflect.Value)
	walk = func(path string, get func(*Export) reflect.Value) {
		v := get(full())
		if v.IsZero() {
			t.Fatalf("full leaves %s empty: fill it, and have hash, Equal and the wire know it", path)
		}
		add := func(what string, change func(reflect.Value)) {
			list = append(list, difference{path + what, change, get})
		}
		switch v.Interface().(type) {
		case time.Time:
			add("", func(v reflect.Value) { v.Set(reflect.ValueOf(v.Interface().(time.Time).Add(time.Second))) })
			return
		case time.Duration:
			add("", func(v reflect.Value) { v.SetInt(v.Int() + int64(time.Second)) })
			return
		case netip.Addr:
			add("", func(v reflect.Value) { v.Set(reflect.ValueOf(v.Interface().(netip.Addr).Next())) })
			return
		}
		switch v.Kind() {
		case reflect.Struct:
			for i := range v.NumField() {
				walk(path+"."+v.Type().Field(i).Name, func(e *Export) reflect.Value { return get(e).Field(i) })
			}
		case reflect.Slice:
			add(" none", func(v reflect.Value) { v.SetZero() })
			add(" one less", func(v reflect.Value) { v.SetLen(v.Len() - 1) })
			add(" one more", func(v reflect.Value) { v.Set(reflect.Append(v, v.Index(v.Len()-1))) })
			for i := range v.Len() {
				walk(path+"[]", func(e *Export) reflect.Value { return get(e).Index(i) })
			}
		case reflect.Map:
			add(" none", func(v reflect.Value) { v.SetZero() })
			add(" one more", func(v reflect.Value) { v.SetMapIndex(reflect.ValueOf("a"), reflect.ValueOf("")) })
			add(" value", func(v reflect.Value) { v.SetMapIndex(v.MapKeys()[0], reflect.ValueOf("x")) })
		case reflect.String:
			add("", func(v reflect.Value) { v.SetString(v.String() + "x") })
			add(" none", func(v reflect.Value) { v.SetString("") })
		case reflect.Uint8, reflect.Uint16:
			add("", func(v reflect.Value) { v.SetUint(v.Uint() ^ 1) })
		case reflect.Bool:
			add("", func(v reflect.Value) { v.SetBool(!v.Bool()) })
		case reflect.Int32:
			add("", func(v reflect.Value) { v.SetInt(v.Int() + 1) })
		default:
			t.Fatalf("%s is a %s: say here how it may differ", path, v.Kind())
		}
	}
	walk("", func(e *Export) reflect.Value { return reflect.ValueOf(e).Elem() })
	return list
}

// Each single field makes two Exports differ; a field that Equal forgot would never be announced again.
func TestEqualSeesEveryField(t *testing.T) {
	if !full().Equal(full()) {
		t.Fatal("equal content is not equal")
	}
	for _, d := range differences(t) {
		if e := d.of(); e.Equal(full()) || full().Equal(e) {
			t.Errorf("%s: the difference is not seen", d.path)
		}
	}
}

// A field that the hash forgot would not be sent to who holds the record without it. The cluster is no part of what
// it says of a service, and the node never leaves it.
func TestHashSeesEveryFieldButClusterAndNode(t *testing.T) {
	hashes := map[Hash]string{full().hash(): "full"}
	same := 0
	for _, d := range differences(t) {
		h := d.of().hash()
		if strings.HasPrefix(d.path, ".Cluster") || strings.HasSuffix(strings.TrimSuffix(d.path, " none"), ".Node") {
			if h != full().hash() {
				t.Errorf("%s changes the hash", d.path)
			}
			same++
			continue
		}
		if hashes[h] == "full" {
			t.Errorf("%s does not change the hash", d.path)
		}
		hashes[h] = d.path
	}
	if len(hashes) < 60 || same != 2+3*2 {
		t.Errorf("%d different hashes, %d equal ones: the walk has lost its way", len(hashes), same)
	}
}

// What stands beside each other cannot be taken for each other.
func TestHashTellsNeighboursApart(t *testing.T) {
	seen := map[Hash]int{}
	for i, change := range []func(*Export){
		func(*Export) {},
		func(e *Export) { e.Name = ServiceName{"sho", "pweb"} },
		func(e *Export) { e.Labels, e.Annotations = e.Annotations, e.Labels },
		func(e *Export) { e.Labels = map[string]string{"team": "shoptierfront"} },
		func(e *Export) { e.Ports[0].Name, e.Ports[0].AppProtocol = "httpkubernetes.io/", "h2c" },
		func(e *Export) { slices.Reverse(e.Ports) },
		func(e *Export) { slices.Reverse(e.IPFamilies) },
		func(e *Export) { e.Network, e.TrafficDistribution = e.TrafficDistribution, e.Network },
		func(e *Export) { e.Subsets[0].Endpoints[0].Hostname, e.Subsets[0].Endpoints[0].Zone = "z1", "web-0" },
		func(e *Export) { e.Subsets[0].Endpoints[0].Zone, e.Subsets[0].Endpoints[0].Region = "r1", "z1" },
		func(e *Export) { e.Subsets[0].Endpoints[0].Address = netip.MustParseAddr("::ffff:10.0.0.1") },
		func(e *Export) { // the same endpoint, on the other side of the border between the subsets
			e.Subsets[1].Endpoints = append(e.Subsets[1].Endpoints, e.Subsets[0].Endpoints[1])
			e.Subsets[0].Endpoints = e.Subsets[0].Endpoints[:1]
		},
	} {
		e := full()
		change(e)
		if before, known := seen[e.hash()]; known {
			t.Errorf("variants %d and %d have the same hash", before, i)
		}
		seen[e.hash()] = i
	}
}

// The hashes of two Exports, for ever. Members of different versions compare them: if one of these changes, every
// record of every former version differs, and each upgrade resends all. A new field is written at the end of
// what the hash covers, and only where it is given; then these stay. Never adapt them to the code.
func TestHashNeverChangesBetweenVersions(t *testing.T) {
	first := full()
	first.Consumers, first.Quiet, first.Steering = nil, Quiet{}, Steering{}
	first.Drain = Drain{}
	second, third := full(), full()
	second.Steering, second.Drain, third.Drain = Steering{}, Drain{}, Drain{}
	for _, c := range []struct {
		about string
		of    *Export
		want  Hash
	}{
		{"every field of the first version", first, 0x1b52af77a6c4c997},
		{"and who may see it, and how long it stays", second, 0xfd96f12fbada2d87},
		{"and that its cluster is drained", full(), 0xbef64a574478aa7d},
		{"and how its traffic is steered", third, 0x4bf72cf05dbdc88d},
		{"as little as there can be", &Export{Cluster: "a", Name: ServiceName{"b", "c"}, Created: time.Unix(0, 0).UTC(), Type: Headless, SessionAffinity: "None"}, 0x614d66fd10fa0ff4},
	} {
		if got := c.of.hash(); got != c.want {
			t.Errorf("%s: hash %#x, was %#x in every version until now", c.about, got, c.want)
		}
	}
}

// However large a record is, all of it counts: the last endpoint too.
func TestHashOfALargeRecordSeesItsEnd(t *testing.T) {
	a, b := big("own", "big", 5000), big("own", "big", 5000)
	b.Subsets[0].Endpoints[4999].Conditions = Terminating
	if a.hash() == b.hash() || a.hash() != big("west", "big", 5000).hash() {
		t.Errorf("hashes %x and %x", a.hash(), b.hash())
	}
}
