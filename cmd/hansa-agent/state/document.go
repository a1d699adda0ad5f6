package state

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hansa-mcs/hansa/federation"
)

const (
	maxDocument = 64 << 10 // of one cluster, which could be a whole ConfigMap
	// maxRest bounds the fields that later releases know, so that a document that was read is one that can be
	// read once it was written, where JSON may escape a byte of their names by six.
	maxRest = 8 << 10
)

const (
	uidField       = "uid"
	addressesField = "addresses"
	heardField     = "heard"
)

// decodeCluster reads what it can of a cluster's document, and says what it cannot.
func decodeCluster(id federation.ClusterID, text string) (Cluster, []error) {
	c := Cluster{ID: id}
	if len(text) > maxDocument {
		return c, name(id, []error{fmt.Errorf("%d bytes: want at most %d", len(text), maxDocument)})
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal([]byte(text), &fields); err != nil || fields == nil {
		return c, name(id, []error{fmt.Errorf("%q: want a JSON object", clip(text))})
	}
	var faults []error
	for _, known := range []struct {
		field string
		read  func(json.RawMessage) []error
	}{{uidField, c.readUID}, {addressesField, c.readAddresses}, {heardField, c.readHeard}} {
		if raw, ok := fields[known.field]; ok {
			faults = append(faults, known.read(raw)...)
			delete(fields, known.field)
		}
	}
	faults = append(faults, c.readRest(fields)...)
	return c, name(id, faults)
}

func (c *Cluster) readUID(raw json.RawMessage) []error {
	var uid string
	if json.Unmarshal(raw, &uid) != nil {
		return []error{fmt.Errorf("uid %q: %w", clip(string(raw)), errUID)}
	}
	if err := checkUID(uid); err != nil {
		return []error{err}
	}
	c.UID = uid
	return nil
}

func (c *Cluster) readAddresses(raw json.RawMessage) (faults []error) {
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) != nil {
		return []error{fmt.Errorf("addresses %q: want a list of host:port", clip(string(raw)))}
	}
	var texts []string
	for _, raw := range list {
		var address string
		if json.Unmarshal(raw, &address) != nil {
			faults = append(faults, fmt.Errorf("address %q: want host:port", clip(string(raw))))
			continue
		}
		texts = append(texts, address)
	}
	addresses, wrong := valid(texts)
	faults = append(faults, wrong...)
	if len(addresses) > MaxAddresses {
		faults = append(faults, fmt.Errorf("%d addresses: want at most %d", len(addresses), MaxAddresses))
		addresses = addresses[:MaxAddresses]
	}
	slices.Sort(addresses)
	c.Addresses = addresses
	return faults
}

var errHeard = errors.New("want a time such as 2026-03-01T12:00:00Z")

func (c *Cluster) readHeard(raw json.RawMessage) []error {
	var text string
	if json.Unmarshal(raw, &text) != nil {
		return []error{fmt.Errorf("heard %q: %w", clip(string(raw)), errHeard)}
	}
	if text == "" {
		return nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil || !writable(t) {
		return []error{fmt.Errorf("heard %q: %w", clip(text), errHeard)}
	}
	c.Heard = wholeSeconds(t)
	return nil
}

// readRest keeps the fields that this release does not know.
func (c *Cluster) readRest(fields map[string]json.RawMessage) []error {
	size := 0
	for field, raw := range fields {
		var b bytes.Buffer
		if err := json.Compact(&b, raw); err != nil {
			return []error{fmt.Errorf("%q: %w", clip(field), err)}
		}
		fields[field] = b.Bytes()
		size += len(field) + b.Len()
	}
	if size > maxRest {
		return []error{fmt.Errorf("%d bytes in fields that this release does not know: want at most %d", size, maxRest)}
	}
	if len(fields) > 0 {
		c.rest = fields
	}
	return nil
}

// encodeCluster returns the document of a cluster, its fields in the order of their names.
func encodeCluster(c Cluster) string {
	c, _ = c.normal()
	fields := make(map[string]any, len(c.rest)+3)
	for field, raw := range c.rest {
		fields[field] = raw
	}
	if c.UID != "" {
		fields[uidField] = c.UID
	}
	if len(c.Addresses) > 0 {
		fields[addressesField] = c.Addresses
	}
	if !c.Heard.IsZero() {
		fields[heardField] = c.Heard.Format(time.RFC3339)
	}
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // people read it
	if e.Encode(fields) != nil {
		return "{}" // cannot be: what is not made here was read as JSON
	}
	return strings.TrimSuffix(b.String(), "\n")
}
