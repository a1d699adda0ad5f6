package xds

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	routerv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	"google.golang.org/protobuf/types/known/anypb"
)

// validListener is for listeners of both kinds: what gRPC dials, and what Envoy listens on.
func validListener(l *listenerv3.Listener) error {
	if err := unmet(demand{l.GetName() == "" || !utf8.ValidString(l.GetName()), "name: is empty or not UTF-8"}); err != nil {
		return err
	}
	if api := l.GetApiListener(); api != nil {
		return validManager("api_listener.api_listener", api.GetApiListener())
	}
	if _, err := socketOf(l.GetAddress()); err != nil {
		return err
	}
	if len(l.GetFilterChains()) == 0 {
		return errors.New("filter_chains: there is none")
	}
	for i, chain := range l.GetFilterChains() {
		if len(chain.GetFilters()) != 1 {
			return fmt.Errorf("filter_chains[%d].filters: is not one connection manager", i)
		}
		if err := validManager(fmt.Sprintf("filter_chains[%d].filters[0].typed_config", i), chain.GetFilters()[0].GetTypedConfig()); err != nil {
			return err
		}
	}
	return nil
}

// validManager checks the HttpConnectionManager in a.
func validManager(field string, a *anypb.Any) error {
	m, err := unpack(field, a)
	if err != nil {
		return err
	}
	manager, ok := m.(*hcmv3.HttpConnectionManager)
	if !ok {
		return fmt.Errorf("%s: is no HttpConnectionManager", field)
	}
	err = unmet(
		demand{manager.GetXffNumTrustedHops() != 0, "xff_num_trusted_hops: is not 0"},
		demand{len(manager.GetOriginalIpDetectionExtensions()) > 0, "original_ip_detection_extensions: gRPC takes none"},
	)
	if err == nil {
		err = validRouteSource(manager)
	}
	if err == nil {
		err = validFilters(manager.GetHttpFilters())
	}
	if err != nil {
		return fmt.Errorf("%s: %w", field, err)
	}
	return nil
}

func validRouteSource(m *hcmv3.HttpConnectionManager) error {
	switch s := m.GetRouteSpecifier().(type) {
	case *hcmv3.HttpConnectionManager_Rds:
		return unmet(
			demand{!overADS(s.Rds.GetConfigSource()), "rds.config_source: is neither ads nor self of version 3"},
			demand{s.Rds.GetRouteConfigName() == "", "rds.route_config_name: is empty"},
		)
	case *hcmv3.HttpConnectionManager_RouteConfig:
		if err := validRoutes(s.RouteConfig); err != nil {
			return fmt.Errorf("route_config.%w", err)
		}
		return nil
	}
	return errors.New("route_specifier: is neither rds nor route_config")
}

// validFilters wants the router last. We know no other filter that every client does.
func validFilters(filters []*hcmv3.HttpFilter) error {
	if len(filters) != 1 || filters[0].GetName() == "" {
		return errors.New("http_filters: is not the router alone")
	}
	m, err := unpack("http_filters[0].typed_config", filters[0].GetTypedConfig())
	if _, ok := m.(*routerv3.Router); err == nil && !ok {
		err = errors.New("http_filters[0].typed_config: is no Router")
	}
	return err
}

func validRoutes(c *routev3.RouteConfiguration) error {
	if c.GetName() == "" {
		return errors.New("name: is empty")
	}
	names, domains := map[string]bool{}, map[string]bool{}
	for i, h := range c.GetVirtualHosts() {
		err := validVirtualHost(h)
		if err == nil && names[h.GetName()] {
			err = fmt.Errorf("name: %q occurs twice", h.GetName())
		}
		names[h.GetName()] = true
		for _, d := range h.GetDomains() {
			d = strings.ToLower(d)
			if err == nil && domains[d] {
				err = fmt.Errorf("domains: %q occurs twice", d)
			}
			domains[d] = true
		}
		if err != nil {
			return fmt.Errorf("virtual_hosts[%d].%w", i, err)
		}
	}
	return nil
}

func validVirtualHost(h *routev3.VirtualHost) error {
	domains := map[string]bool{}
	for _, d := range h.GetDomains() {
		if d = strings.ToLower(d); domains[d] {
			return fmt.Errorf("domains: %q occurs twice", d)
		}
		domains[d] = true
	}
	for i, r := range h.GetRoutes() {
		if err := validRoute(r); err != nil {
			return fmt.Errorf("routes[%d].%w", i, err)
		}
	}
	return nil
}

func validRoute(r *routev3.Route) error {
	to, retry := r.GetRoute(), r.GetRoute().GetRetryPolicy()
	_, prefix := r.GetMatch().GetPathSpecifier().(*routev3.RouteMatch_Prefix)
	err := unmet(
		demand{!prefix, "match.prefix: is not set"},
		demand{len(r.GetMatch().GetQueryParameters()) > 0, "match.query_parameters: gRPC would ignore the route"},
		demand{to == nil, "route: is not set"},
		demand{to.GetCluster() == "" || !utf8.ValidString(to.GetCluster()), "route.cluster: is empty or not UTF-8"},
		demand{retry.GetNumRetries() != nil && retry.GetNumRetries().GetValue() == 0, "route.retry_policy.num_retries: is 0"},
	)
	if err != nil {
		return err
	}
	for i, p := range retry.GetRetryHostPredicate() {
		if _, err := unpack(fmt.Sprintf("route.retry_policy.retry_host_predicate[%d]", i), p.GetTypedConfig()); err != nil {
			return err
		}
	}
	return nil
}
