// Package tables writes what an agent reports as people read it. Column names and their order are stable; what has more
// columns by wide ends with those.
//
// In: answers of package report. Out: text. Nothing here asks anybody or knows the time: it is in the answers.
package tables

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// none stands where there is nothing, so that columns stay columns.
const none = "-"

// table collects rows.
type table struct {
	rows [][]string
	wide bool
}

// columns begins a table. Those of more are there by wide alone.
func columns(wide bool, names []string, more ...string) *table {
	t := &table{wide: wide}
	t.row(names, more...)
	return t
}

func (t *table) row(cells []string, more ...string) {
	if t.wide {
		cells = append(slices.Clip(cells), more...)
	}
	for i := range cells {
		if cells[i] = clean(cells[i]); cells[i] == "" {
			cells[i] = none
		}
	}
	t.rows = append(t.rows, cells)
}

// gap is what is between columns.
const gap = 2

// write writes the rows, each cell as wide as its column but the last.
func (t *table) write(w io.Writer) error {
	widths := t.widths()
	var b strings.Builder
	for _, cells := range t.rows {
		for i, cell := range cells {
			text := cell
			if coloured[t.rows[0][i]] { // its width is that of what can be seen
				text = paint(w, cell, cell)
			}
			b.WriteString(text)
			if i < len(cells)-1 {
				b.WriteString(strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)+gap))
			}
		}
		b.WriteByte('\n')
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (t *table) widths() []int {
	widths := make([]int, len(t.rows[0]))
	for _, cells := range t.rows {
		for i, cell := range cells {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	return widths
}

// seconds writes how long ago something was.
func seconds(s *float64) string {
	if s == nil {
		return none
	}
	return span(time.Duration(*s * float64(time.Second)))
}

// span writes a time as short as it is still useful.
func span(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < 10*time.Minute:
		return fmt.Sprintf("%dm%ds", int(d.Minutes()), int(d.Seconds())%60)
	case d < 3*time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 72*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	}
	return fmt.Sprintf("%dd", int(d.Hours())/24)
}

func number(n *uint64) string {
	if n == nil {
		return none
	}
	return fmt.Sprint(*n)
}

// list joins what has a text.
func list[T any](items []T) string {
	var texts []string
	for _, i := range items {
		texts = append(texts, fmt.Sprint(i))
	}
	return strings.Join(texts, ",")
}
