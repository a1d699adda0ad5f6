// Package charts holds the Helm chart of hansa-agent, for programs that install it.
package charts

import (
	"embed"
	"io/fs"
)

//go:embed all:hansa
var files embed.FS

// Hansa returns the files of the chart, with Chart.yaml at its root.
func Hansa() fs.FS {
	chart, err := fs.Sub(files, "hansa")
	if err != nil {
		panic(err) // the path is the one above
	}
	return chart
}
