package dns

import "testing"

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
				Answer(view, Complete, zone, q, here)
			}
		})
	}
}

func BenchmarkRespond(b *testing.B) {
	three := threeClusters(17)
	for _, bench := range []struct {
		name     string
		world    world
		question string
	}{
		{"ClusterSetIP", shop(), "web.shop.svc A"},
		{"ClusterSetIPWithPort", shop(), "_http._tcp.web.shop.svc SRV"},
		{"NoData", shop(), "four.shop.svc AAAA"},
		{"NoName", shop(), "nothing.shop.svc A"},
		{"Headless51", three, "db.shop.svc A"},
		{"Endpoint", three, "pet-9.west.db.shop.svc A"},
	} {
		b.Run(bench.name, func(b *testing.B) {
			h := hosting(bench.world.importer(b).View(), 1<<20)
			r := asking(bench.question)
			r.SetEdns0(maxUDPSize, false)
			wire, err := r.Pack()
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				h.respond(wire, state{h.view, h.known}, origin{})
			}
		})
	}
}
