package coredns

import (
	"strings"
	"testing"

	"github.com/hansa-mcs/hansa/integration/probe"
)

func TestSettleTouchesNothingButThePlace(t *testing.T) {
	const written = `clusterset.local:53 cluster.local:53 {
    errors
    kubernetes cluster.local clusterset.local {
        multicluster clusterset.local
    }
}
.:53 {
    forward . 10.0.0.1:53 {
        max_fails 0
    }
}
`
	const want = `clusterset.local:5353 cluster.local:5353 {
    bind 127.0.0.1
    ready 127.0.0.1:8181
    errors
    kubernetes cluster.local clusterset.local {
        kubeconfig /k
        multicluster clusterset.local
    }
}
.:5353 {
    bind 127.0.0.1
    ready 127.0.0.1:8181
    forward . 10.0.0.1:53 {
        max_fails 0
    }
}
`
	if got := settle(written, place{"5353", "127.0.0.1:8181", "/k"}); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
	if got := settle(written, place{"53", "127.0.0.1:8181", ""}); strings.Contains(got, "kubeconfig") {
		t.Errorf("got a kubeconfig that was not given:\n%s", got)
	}
}

func TestServerAnswersWhenItIsStarted(t *testing.T) {
	binary, err := Build(t.Context(), t.Output())
	if err != nil {
		t.Fatal(err)
	}
	s, err := Start(t.Context(), Config{Binary: binary, Corefile: `example.test:53 {
    template IN A {
        answer "{{ .Name }} 5 IN A 192.0.2.1"
    }
}
`})
	if err != nil {
		t.Fatal(err)
	}
	answer, err := probe.Query(t.Context(), s.Address, "a.example.test", "A")
	if err != nil || answer.String() != "[192.0.2.1]" {
		t.Errorf("answer is %s, %v", answer, err)
	}
	if err := s.Stop(); err != nil {
		t.Error(err)
	}
	if _, err := probe.Query(t.Context(), s.Address, "a.example.test", "A"); err == nil {
		t.Error("it answers after Stop")
	}
}

func TestMistakeInTheCorefileIsTold(t *testing.T) {
	binary, err := Build(t.Context(), t.Output())
	if err != nil {
		t.Fatal(err)
	}
	_, err = Start(t.Context(), Config{Binary: binary, Corefile: "example.test:53 {\n    sail\n}\n"})
	if err == nil || !strings.Contains(err.Error(), "Unknown directive 'sail'") {
		t.Errorf("err = %v, want CoreDNS's own words", err)
	}
}
