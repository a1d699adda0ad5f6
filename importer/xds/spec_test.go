package xds

import (
	"slices"
	"strings"
	"testing"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/importer"
)

// ported is web in shop with ports like "80", "82/grpc" or "53 UDP".
func ported(t *testing.T, ports ...string) *importer.Service {
	s := &importer.Service{Name: federation.ServiceName{Namespace: "shop", Name: "web"}, SessionAffinity: "None"}
	for _, text := range ports {
		text, udp := strings.CutSuffix(text, " UDP")
		number, app, _ := strings.Cut(text, "/")
		p := importer.Port{Port: federation.Port{Name: "p" + number, Protocol: federation.TCP, AppProtocol: app, Number: portNumber(t, number)}}
		if udp {
			p.Protocol = federation.UDP
		}
		s.Ports = append(s.Ports, p)
	}
	return s
}

func portNumber(t *testing.T, text string) (n uint16) {
	for _, r := range text {
		if r < '0' || r > '9' {
			t.Fatalf("port %q", text)
		}
		n = 10*n + uint16(r-'0')
	}
	return n
}

// routedAs returns how Envoy sends requests to each port: "81 h2" is HTTP/2, "bare" for those without a port too.
func routedAs(s *importer.Service) (list []string) {
	for spec := range portSpecs(s, "example.org") {
		words := []string{strings.TrimPrefix(spec.listener.name, "web.shop.svc.example.org:")}
		switch {
		case spec.cluster.http2:
			words = append(words, "h2")
		case spec.http:
			words = append(words, "h1")
		}
		if spec.virtual.bare != "" {
			words = append(words, "bare")
		}
		list = append(list, strings.Join(words, " "))
	}
	return list
}

func TestWhichPortsSpeakHTTP(t *testing.T) {
	tests := map[string]struct{ ports, want []string }{
		"none says":                 {[]string{"8080", "80"}, []string{"8080 h1", "80 h1 bare"}},
		"without port 80: first":    {[]string{"8080", "9090"}, []string{"8080 h1 bare", "9090 h1"}},
		"only TCP":                  {[]string{"80 UDP", "8080"}, []string{"8080 h1 bare"}},
		"none":                      {[]string{"53 UDP"}, nil},
		"HTTP/1.1":                  {[]string{"1/http", "2/kubernetes.io/ws", "3/HTTP"}, []string{"1 h1 bare", "2 h1", "3 h1"}},
		"HTTP/2":                    {[]string{"1/kubernetes.io/h2c", "2/h2c", "3/http2", "4/grpc", "5/gRPC-Web"}, []string{"1 h2 bare", "2 h2", "3 h2", "4 h2", "5 h2"}},
		"not in the clear":          {[]string{"1/https", "2/kubernetes.io/wss", "3/tls", "4/h2"}, []string{"1", "2", "3", "4"}},
		"others":                    {[]string{"1/mysql", "2/tcp", "3/example.com/http"}, []string{"1", "2", "3"}},
		"port 80 is no HTTP":        {[]string{"80/redis", "443/https", "8080/grpc"}, []string{"80", "443", "8080 h2 bare"}},
		"port 80 behind all others": {[]string{"81", "82/grpc", "80/h2c"}, []string{"81 h1", "82 h2", "80 h2 bare"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := routedAs(ported(t, tt.ports...)); !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestWhatIsSaidOfAPort(t *testing.T) {
	s := ported(t, "80", "3306/mysql")
	s.SessionAffinity = "ClientIP"
	const host = "web.shop.svc.example.org"
	want := []portSpec{{
		port:     s.Ports[0],
		cluster:  clusterSpec{name: "outbound|80||" + host, sticky: true},
		listener: apiListener{name: host + ":80", cluster: "outbound|80||" + host, sticky: true},
		virtual:  virtualHost{name: host + ":80", bare: host, cluster: "outbound|80||" + host, sticky: true},
		http:     true,
	}, {
		port:     s.Ports[1],
		cluster:  clusterSpec{name: "outbound|3306||" + host, sticky: true},
		listener: apiListener{name: host + ":3306", cluster: "outbound|3306||" + host, sticky: true},
	}}
	if got := slices.Collect(portSpecs(s, "example.org")); !slices.Equal(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	for range portSpecs(s, "example.org") {
		break // ends it without a panic
	}
	s.Name.Name = "no such name"
	if got := slices.Collect(portSpecs(s, "example.org")); got != nil {
		t.Errorf("of a name that is none: %+v", got)
	}
}
