package report

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/hansa-mcs/hansa/federation"
)

// Query says of which services is asked. The zero value is of all.
type Query struct {
	Namespace string // "" for all
	Name      string // "" for all; else with a Namespace
	// After is where the answer before ended.
	After Cursor
	Limit int // at most so many, of what the answer is a list of; 0 for as many as one answer has
}

// Cursor is a place in a list: a service, and how many of its endpoints come before.
type Cursor struct {
	Service federation.ServiceName
	Skip    int
}

// String returns what ParseCursor reads.
func (c Cursor) String() string {
	switch {
	case c == Cursor{}:
		return ""
	case c.Skip == 0:
		return c.Service.String()
	}
	return fmt.Sprintf("%s/%d", c.Service, c.Skip)
}

var errCursor = errors.New("want what an answer had as next: namespace/name, or namespace/name/number")

// ParseCursor returns the place that a text stands for.
func ParseCursor(text string) (c Cursor, err error) {
	if text == "" {
		return c, nil
	}
	parts := strings.Split(text, "/")
	if len(parts) < 2 || len(parts) > 3 {
		return Cursor{}, errCursor
	}
	c.Service = federation.ServiceName{Namespace: parts[0], Name: parts[1]}
	if len(parts) == 3 {
		if c.Skip, err = strconv.Atoi(parts[2]); err != nil || c.Skip < 0 {
			return Cursor{}, errCursor
		}
	}
	if c.Service.Check() != nil {
		return Cursor{}, errCursor
	}
	return c, nil
}

// skips returns how many endpoints of a service were told before.
func (c Cursor) skips(name federation.ServiceName) int {
	if c.Service == name {
		return c.Skip
	}
	return 0
}

// Values returns the query as the parameters of a URL.
func (q Query) Values() url.Values {
	v := url.Values{}
	set := func(key, value string) {
		if value != "" {
			v.Set(key, value)
		}
	}
	set("namespace", q.Namespace)
	set("name", q.Name)
	set("after", q.After.String())
	if q.Limit > 0 {
		set("limit", strconv.Itoa(q.Limit))
	}
	return v
}

// ParseQuery reads the parameters of a URL. Its errors name the parameter, its value and what is expected.
func ParseQuery(v url.Values) (q Query, err error) {
	for key, values := range v {
		value := values[len(values)-1]
		bad := func(err error) error { return fmt.Errorf("%s=%.100q: %w", key, value, err) }
		switch {
		case len(values) > 1:
			return Query{}, bad(errors.New("given several times: want it once"))
		case key == "namespace":
			q.Namespace = value
		case key == "name":
			q.Name = value
		case key == "after":
			if q.After, err = ParseCursor(value); err != nil {
				return Query{}, bad(err)
			}
		case key == "limit":
			if q.Limit, err = strconv.Atoi(value); err != nil || q.Limit < 1 {
				return Query{}, bad(errors.New("want a number from 1"))
			}
		default:
			return Query{}, fmt.Errorf("unknown parameter %.100q: want namespace, name, after or limit", key)
		}
	}
	return q, q.check()
}

func (q Query) check() error {
	name := federation.ServiceName{Namespace: q.Namespace, Name: q.Name}
	switch {
	case q.Namespace == "" && q.Name == "":
		return nil
	case q.Namespace == "":
		return fmt.Errorf("name=%.100q: want a namespace too", q.Name)
	case q.Name == "":
		name.Name = "any"
	}
	return name.Check()
}

// limit returns how much an answer may have that never has more than most.
func (q Query) limit(most int) int {
	if q.Limit > 0 {
		return min(q.Limit, most)
	}
	return most
}

// names returns the services that are asked for and that anybody exports, or that are still served, in order.
func (s *Scene) names(q Query) []federation.ServiceName {
	wanted := func(n federation.ServiceName) bool {
		return (q.Namespace == "" || q.Namespace == n.Namespace) && (q.Name == "" || q.Name == n.Name)
	}
	list := slices.DeleteFunc(s.Store.Names(), func(n federation.ServiceName) bool { return !wanted(n) })
	for service := range s.View.All() {
		if wanted(service.Name) {
			list = append(list, service.Name)
		}
	}
	slices.SortFunc(list, federation.ServiceName.Compare)
	list = slices.Compact(list)
	first, found := slices.BinarySearchFunc(list, q.After.Service, federation.ServiceName.Compare)
	if found && q.After.Skip == 0 {
		first++
	}
	return list[first:]
}
