package envoy

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// Endpoint is one endpoint of a cluster as Envoy has it.
type Endpoint struct {
	Address  netip.AddrPort
	Priority int
	// Region, Zone and SubZone are its locality.
	Region, Zone, SubZone string
	// Health is what the xDS server says of it, such as HEALTHY.
	Health string
	// Requests is how many were sent to it.
	Requests int
}

// clusters is the answer to /clusters?format=json. Numbers that are 0 are not in it.
type clusters struct {
	Statuses []struct {
		Name  string `json:"name"`
		Hosts []host `json:"host_statuses"`
	} `json:"cluster_statuses"`
}

type host struct {
	Address struct {
		Socket struct {
			Address string `json:"address"`
			Port    uint16 `json:"port_value"`
		} `json:"socket_address"`
	} `json:"address"`
	Stats []struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	} `json:"stats"`
	Health struct {
		EDS string `json:"eds_health_status"`
	} `json:"health_status"`
	Locality struct {
		Region  string `json:"region"`
		Zone    string `json:"zone"`
		SubZone string `json:"sub_zone"`
	} `json:"locality"`
	Priority int `json:"priority"`
}

// Clusters returns the endpoints of every cluster that Envoy has, by its name.
func (p *Proxy) Clusters(ctx context.Context) (map[string][]Endpoint, error) {
	text, err := p.Get(ctx, "/clusters?format=json")
	if err != nil {
		return nil, fmt.Errorf("ask Envoy for its clusters: %w", err)
	}
	return readClusters(text)
}

func readClusters(text string) (map[string][]Endpoint, error) {
	var answer clusters
	if err := json.Unmarshal([]byte(text), &answer); err != nil {
		return nil, fmt.Errorf("read Envoy's clusters: %w", err)
	}
	all := map[string][]Endpoint{}
	for _, cluster := range answer.Statuses {
		all[cluster.Name] = []Endpoint{}
		for _, h := range cluster.Hosts {
			endpoint, err := h.endpoint()
			if err != nil {
				return nil, fmt.Errorf("read Envoy's cluster %s: %w", cluster.Name, err)
			}
			all[cluster.Name] = append(all[cluster.Name], endpoint)
		}
	}
	return all, nil
}

func (h host) endpoint() (Endpoint, error) {
	address, err := netip.ParseAddr(h.Address.Socket.Address)
	if err != nil {
		return Endpoint{}, err
	}
	e := Endpoint{
		Address: netip.AddrPortFrom(address, h.Address.Socket.Port), Priority: h.Priority, Health: h.Health.EDS,
		Region: h.Locality.Region, Zone: h.Locality.Zone, SubZone: h.Locality.SubZone,
	}
	for _, stat := range h.Stats {
		if stat.Name == "rq_total" && stat.Value != "" {
			if e.Requests, err = strconv.Atoi(stat.Value); err != nil {
				return Endpoint{}, err
			}
		}
	}
	return e, nil
}

// ClustersText returns what Envoy prints of one of its clusters for people at /clusters; nothing if it has none of that name.
func (p *Proxy) ClustersText(ctx context.Context, cluster string) (string, error) {
	text, err := p.Get(ctx, "/clusters")
	if err != nil {
		return "", fmt.Errorf("ask Envoy for its clusters: %w", err)
	}
	var b strings.Builder
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, cluster+"::") {
			b.WriteString(line)
		}
	}
	return b.String(), nil
}

// Stats returns the counters and gauges whose names end in the suffix.
func (p *Proxy) Stats(ctx context.Context, suffix string) (map[string]int, error) {
	text, err := p.Get(ctx, "/stats")
	if err != nil {
		return nil, fmt.Errorf("ask Envoy for its stats: %w", err)
	}
	all := map[string]int{}
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		if n, err := strconv.Atoi(value); err == nil && strings.HasSuffix(name, suffix) {
			all[name] = n
		}
	}
	return all, nil
}

// Rejected returns how often Envoy refused what it was told, by the stat that says so; those that never did are not
// in it. It is an error if Envoy counts none at all.
func (p *Proxy) Rejected(ctx context.Context) (map[string]int, error) {
	all, err := p.Stats(ctx, ".update_rejected")
	if err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("ask Envoy what it refused: it has no stat about that, so no xDS")
	}
	for name, n := range all {
		if n == 0 {
			delete(all, name)
		}
	}
	return all, nil
}

// Policies returns by which policy each cluster is balanced that Envoy got by xDS and uses, such as RING_HASH; one that
// it is still warming is as it was before.
func (p *Proxy) Policies(ctx context.Context) (map[string]string, error) {
	text, err := p.ConfigDump(ctx, "dynamic_active_clusters")
	if err != nil {
		return nil, err
	}
	var answer struct {
		Configs []struct {
			Cluster struct {
				Name   string `json:"name"`
				Policy string `json:"lb_policy"`
			} `json:"cluster"`
		} `json:"configs"`
	}
	if err := json.Unmarshal([]byte(text), &answer); err != nil {
		return nil, fmt.Errorf("read Envoy's configuration: %w", err)
	}
	all := map[string]string{}
	for _, c := range answer.Configs {
		all[c.Cluster.Name] = cmp.Or(c.Cluster.Policy, "ROUND_ROBIN") // which is 0, and left out.
	}
	return all, nil
}

// ConfigDump returns what Envoy has of a kind of configuration, such as dynamic_listeners or dynamic_active_clusters, as
// its JSON: for people.
func (p *Proxy) ConfigDump(ctx context.Context, resource string) (string, error) {
	text, err := p.Get(ctx, "/config_dump?resource="+resource)
	if err != nil {
		return "", fmt.Errorf("ask Envoy for its configuration: %w", err)
	}
	return text, nil
}
