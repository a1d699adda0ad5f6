package agent_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/trust"
	"github.com/hansa-mcs/hansa/integration/clusterset"
)

// volume is a folder as kubelet makes it of a Secret: the files are links into ..data, which is a link that is replaced in one
// step when the Secret has changed.
type volume struct {
	dir     string
	version int
}

// files are those that an agent is told.
func (v *volume) files() trust.Files {
	at := func(name string) string { return filepath.Join(v.dir, name) }
	return trust.Files{Cert: at("tls.crt"), Key: at("tls.key"), CA: at("ca.crt")}
}

// put replaces what is in the files.
func (v *volume) put(c trust.Credentials) error {
	old := fmt.Sprintf("..%d", v.version)
	v.version++
	name := fmt.Sprintf("..%d", v.version)
	inside := filepath.Join(v.dir, name)
	if err := os.MkdirAll(inside, 0o700); err != nil {
		return err
	}
	f := trust.Files{Cert: filepath.Join(inside, "tls.crt"), Key: filepath.Join(inside, "tls.key"), CA: filepath.Join(inside, "ca.crt")}
	if err := f.Write(c); err != nil {
		return err
	}
	next, data := filepath.Join(v.dir, "..data_tmp"), filepath.Join(v.dir, "..data")
	if err := os.Symlink(name, next); err != nil {
		return err
	}
	if err := os.Rename(next, data); err != nil {
		return err
	}
	if v.version > 1 {
		return os.RemoveAll(filepath.Join(v.dir, old))
	}
	for _, name := range []string{"tls.crt", "tls.key", "ca.crt"} {
		if err := os.Symlink(filepath.Join("..data", name), filepath.Join(v.dir, name)); err != nil {
			return err
		}
	}
	return nil
}

const (
	day = 24 * time.Hour
	due = 250 * day // the age at which a certificate of a year is renewed, whatever the spread
)

// issue returns credentials of a cluster with a key, as they were made so long ago.
func issue(ca *trust.Authority, cluster string, key []byte, ago time.Duration) (c trust.Credentials, err error) {
	der, err := trust.NewRequest(clusterset.Name, federation.ClusterID(cluster), key)
	if err != nil {
		return c, err
	}
	request, err := trust.ParseRequest(clusterset.Name, der)
	if err != nil {
		return c, err
	}
	cert, err := ca.Sign(request, time.Now().Add(-ago))
	return trust.Credentials{Cert: cert, Key: key, CA: ca.CAPEM()}, err
}

// issued does so in a test.
func issued(t *testing.T, ca *trust.Authority, cluster string, key []byte, ago time.Duration) trust.Credentials {
	t.Helper()
	c, err := issue(ca, cluster, key, ago)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}
