package dns

import (
	"testing"

	"github.com/miekg/dns"
)

func BenchmarkAnswer(b *testing.B) {
	headless := many(100)
	web := shop()
	for _, bench := range []struct {
		name     string
		world    world
		question string
	}{
		{"ClusterSetIP", web, "web.shop.svc A"},
		{"ClusterSetIPWithPort", web, "_http._tcp.web.shop.svc SRV"},
		{"Headless100", headless, "db.shop.svc A"},
		{"Headless100WithPort", headless, "_sql._tcp.db.shop.svc SRV"},
		{"Endpoint", headless, "pet-99.east.db.shop.svc A"},
		{"NoName", web, "nothing.shop.svc A"},
	} {
		b.Run(bench.name, func(b *testing.B) {
			view, q := bench.world.importer(b).View(), question(bench.question)
			b.ReportAllocs()
			for b.Loop() {
				Answer(view, Complete, zone, q)
			}
		})
	}
}

func BenchmarkRespond(b *testing.B) {
	view := many(100).importer(b).View()
	r := request("db.shop.svc A")
	r.SetEdns0(maxUDPSize, false)
	b.ReportAllocs()
	for b.Loop() {
		reply := respond(r, false, func(q dns.Question) Reply { return Answer(view, Complete, zone, q) })
		if _, err := reply.Pack(); err != nil {
			b.Fatal(err)
		}
	}
}
