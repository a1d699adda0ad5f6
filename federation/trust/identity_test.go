package trust

import (
	"crypto"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hansa-mcs/hansa/federation"
)

func TestLoadSaysWhichFileIsWrongAndWhatIsExpected(t *testing.T) {
	ca := newAuthority(t, mesh)
	other := newFiles(t, newAuthority(t, mesh), "a")
	otherset := newFiles(t, newAuthority(t, "other.example"), "a")
	text := func(file string) string { return string(must(os.ReadFile(file))(t)) }
	for name, tt := range map[string]struct {
		change func(f *Files)
		file   string
		want   []string
	}{
		"no certificate":      {func(f *Files) { os.Remove(f.Cert) }, "tls.crt", []string{"no such file", "want a PEM file"}},
		"no key":              {func(f *Files) { os.Remove(f.Key) }, "tls.key", []string{"no such file"}},
		"no CA":               {func(f *Files) { os.Remove(f.CA) }, "ca.crt", []string{"no such file"}},
		"no path":             {func(f *Files) { f.CA = "" }, "", []string{"no file is given"}},
		"certificate no PEM":  {func(f *Files) { put(t, f.Cert, "hello") }, "tls.crt", []string{"not PEM", "CERTIFICATE"}},
		"key no PEM":          {func(f *Files) { put(t, f.Key, "hello") }, "tls.key", []string{"not PEM", "private key"}},
		"CA no PEM":           {func(f *Files) { put(t, f.CA, "") }, "ca.crt", []string{"not PEM"}},
		"key for certificate": {func(f *Files) { put(t, f.Cert, text(f.Key)) }, "tls.crt", []string{`"PRIVATE KEY"`, "want only CERTIFICATE"}},
		"certificate for key": {func(f *Files) { put(t, f.Key, text(f.Cert)) }, "tls.key", []string{"want the private key"}},
		"another key":         {func(f *Files) { put(t, f.Key, text(other.Key)) }, "tls.key", []string{"want the private key", "does not match"}},
		"damaged":             {func(f *Files) { put(t, f.Cert, "-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n") }, "tls.crt", []string{"certificate 1 cannot be read"}},
		"member's as a CA":    {func(f *Files) { put(t, f.CA, text(f.Cert)) }, "ca.crt", []string{"not a CA's"}},
		"another CA":          {func(f *Files) { put(t, f.CA, text(other.CA)) }, "tls.crt", []string{"ca.crt signed", "unknown authority"}},
		"another clusterset":  {func(f *Files) { *f = otherset }, "tls.crt", []string{"spiffe://other.example/cluster/a", "want spiffe://mesh.example/cluster/"}},
		"another cluster":     {func(f *Files) { *f = newFiles(t, ca, "b") }, "tls.crt", []string{`names cluster "b", want "a"`}},
		"expired": {func(f *Files) { f.write(t, forge(t, ca, func(c *leaf) { c.NotAfter = time.Unix(1700000000, 0) })) }, "tls.crt",
			[]string{"expired at 2023-11-14T22:13:20Z"}},
		"not yet valid": {func(f *Files) {
			f.write(t, forge(t, ca, func(c *leaf) { c.NotBefore = time.Now().Add(24 * time.Hour) }))
		}, "tls.crt",
			[]string{"not valid before", "clock"}},
		"two names": {func(f *Files) { f.write(t, forge(t, ca, func(c *leaf) { c.DNSNames = []string{"x.example"} })) }, "tls.crt",
			[]string{"want exactly one"}},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFiles(t, ca, "a")
			tt.change(&f)
			_, err := Load(mesh, "a", f)
			if err == nil {
				t.Fatal("loaded")
			}
			for _, want := range append(tt.want, tt.file) {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not say %q", err, want)
				}
			}
		})
	}
}

func TestLoadRefusesNamesThatCannotBe(t *testing.T) {
	f := newFiles(t, newAuthority(t, mesh), "a")
	for _, clusterset := range []string{"", "Mesh", "mesh..x", "mesh/x", "*.x", strings.Repeat("a", 300)} {
		if _, err := Load(clusterset, "a", f); err == nil {
			t.Errorf("clusterset %q is taken", clusterset)
		}
	}
	if _, err := Load(mesh, "A", f); err == nil {
		t.Error("cluster A is taken")
	}
}

func TestReloadTakesNewFilesAndKeepsTheOldOnAnError(t *testing.T) {
	ca, next := newAuthority(t, mesh), newAuthority(t, mesh)
	f := newFiles(t, ca, "a")
	id := must(Load(mesh, "a", f))(t)
	peer := newIdentity(t, next, "b")
	server, client := id.ServerTLS("x"), peer.ClientTLS("a", "x") // made before the change

	put(t, f.Cert, "broken")
	if id.Reload() == nil {
		t.Fatal("a broken file was taken")
	}
	if _, err := shake(t, server, newIdentity(t, ca, "b").ClientTLS("a", "x")); err != nil {
		t.Errorf("after a failed reload: %v", err)
	}

	// A rotation: both trust both CAs, then one shows a certificate of the new one.
	must(next.WriteMember(filepath.Dir(f.Cert), "a", time.Now()))(t)
	put(t, f.CA, string(ca.CAPEM())+string(next.CAPEM()))
	if err := id.Reload(); err != nil {
		t.Fatal(err)
	}
	if serverErr, err := shake(t, server, client); err != nil || serverErr != nil {
		t.Errorf("after the reload: %v, %v", serverErr, err)
	}
}

func TestTheKeyFileIsForItsOwnerOnly(t *testing.T) {
	ca := newAuthority(t, mesh)
	f := newFiles(t, ca, "a")
	if err := os.Chmod(f.Key, 0o644); err != nil {
		t.Fatal(err)
	}
	must(ca.WriteMember(filepath.Dir(f.Key), "a", time.Now()))(t) // narrows it again
	for file, want := range map[string]os.FileMode{f.Key: 0o600, f.Cert: 0o644, f.CA: 0o644} {
		if got := must(os.Stat(file))(t).Mode(); got != want {
			t.Errorf("%s has mode %v, want %v", file, got, want)
		}
	}
	if left := must(os.ReadDir(filepath.Dir(f.Key)))(t); len(left) != 3 {
		t.Errorf("left behind: %v", left)
	}
}

func TestAuthority(t *testing.T) {
	now := time.Now()
	ca := newAuthority(t, mesh)
	if !ca.cert.IsCA || ca.cert.MaxPathLen != 0 || !ca.cert.MaxPathLenZero {
		t.Error("the CA may have CAs below it")
	}
	keyText := must(ca.KeyPEM())(t)
	again := must(LoadAuthority(mesh, ca.CAPEM(), keyText))(t)
	var key crypto.Signer = must(newKey())(t)
	text := must(again.Issue("a", key.Public(), now, now.Add(memberLife)))(t)
	if got := must(clusterOf(must(parseCertificates(text))(t)[0], mesh))(t); got != "a" {
		t.Errorf("issued for %q", got)
	}
	if _, err := ca.Issue("*", key.Public(), now, now.Add(time.Hour)); err == nil {
		t.Error("issued a wildcard")
	}
	if _, err := ca.Issue("a", key.Public(), now, now.Add(2*authorityLife)); err == nil {
		t.Error("issued beyond the CA's own life")
	}
	if _, err := LoadAuthority(mesh, newAuthority(t, mesh).CAPEM(), keyText); err == nil {
		t.Error("took another CA's key")
	}
	f := newFiles(t, ca, "a")
	cert := must(Load(mesh, federation.ClusterID("a"), f))(t).Certificate()
	if life := cert.NotAfter.Sub(now).Round(time.Hour); life != memberLife {
		t.Errorf("a member's certificate lives %v", life)
	}
}
