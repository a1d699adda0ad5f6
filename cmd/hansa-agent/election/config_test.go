package election

import (
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/rest"
)

func sound() Config {
	return Config{Client: &wire{}, Namespace: "hansa-system", Name: "hansa-agent", Identity: Identity{"a", "a.example:7946"}}
}

func TestAConfigHasDefaults(t *testing.T) {
	c, err := sound().complete()
	if err != nil || c.Duration != 10*time.Second || c.RenewWithin != 7*time.Second || c.Retry != time.Second || c.Log == nil {
		t.Errorf("%+v, %v", c, err)
	}
}

func TestAMistakeInAConfigIsNamed(t *testing.T) {
	for want, spoil := range map[string]func(*Config){
		"Client":                                 func(c *Config) { c.Client = nil },
		`Namespace ""`:                           func(c *Config) { c.Namespace = "" },
		`Name ""`:                                func(c *Config) { c.Name = "" },
		`Identity: name "a b"`:                   func(c *Config) { c.Identity.Name = "a b" },
		`Identity: address "10.1.2.3"`:           func(c *Config) { c.Identity.Address = "10.1.2.3" },
		"Retry -1s":                              func(c *Config) { c.Retry = -time.Second },
		"Retry 7s, RenewWithin 7s":               func(c *Config) { c.Retry = 7 * time.Second },
		"RenewWithin 7s, Duration 7s: want each": func(c *Config) { c.Duration = 7 * time.Second },
	} {
		c := sound()
		spoil(&c)
		if e, err := New(c); err == nil || e != nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error that says %s", err, want)
		}
	}
}

func TestAClientWithoutAServerIsNone(t *testing.T) {
	if _, err := NewClient(&rest.Config{Host: "http://a b"}, "hansa-system"); err == nil {
		t.Error("want an error for a host with a space")
	}
}
