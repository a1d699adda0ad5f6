package main

import (
	"bytes"
	"fmt"
	"io"
)

// readLine returns the first line of what is read, which has at most so many bytes.
func readLine(r io.Reader, most int) (string, error) {
	text, err := io.ReadAll(io.LimitReader(r, int64(most)+1))
	if err != nil {
		return "", err
	}
	line, _, _ := bytes.Cut(text, []byte("\n"))
	if len(line) > most {
		return "", fmt.Errorf("its first line has more than %d bytes", most)
	}
	return string(line), nil
}
