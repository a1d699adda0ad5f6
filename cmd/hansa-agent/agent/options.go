package agent

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/hansa-mcs/hansa/cmd/hansa-agent/features"
	"github.com/hansa-mcs/hansa/dns"
	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/gossip"
	"github.com/hansa-mcs/hansa/federation/trust"
	"github.com/hansa-mcs/hansa/importer/kube"
	"github.com/hansa-mcs/hansa/importer/xds"
)

// Options are all that a person can say to an agent; every field is one flag, but for the environment.
type Options struct {
	Cluster    string // this cluster's ID
	Clusterset string // the clusterset that it is a member of

	Kubeconfig string // "" inside a pod, whose own account is used
	Context    string // of the kubeconfig; "" for its current one

	Namespace string // of this agent's own objects

	InstallCRDs bool // bring the CRDs of the MCS API

	Listen    string   // where other members connect
	Advertise string   // where they are told to; "" for Listen
	Peers     []string // members to join

	ReplicaAddress string // where the other agents of this cluster connect; "" for Listen

	CertFile, KeyFile, CAFile string // PEM files

	DNSAddress   string // "" for no DNS
	DNSZone      string
	DNSTTL       time.Duration // how long answers may be remembered
	DNSRateLimit int           // questions per second of one client; 0 for no limit

	XDSAddress    string // "" for no xDS
	XDSTLS        string // how xDS is protected
	XDSMaxClients int    // of this agent

	// Which namespaces may leave for other clusters, and may come from them: rules as federation.ParseNamespaceRule
	// reads them. Without any that allow, what is not denied is allowed.
	ExportNamespaces, ExportDenyNamespaces []string
	ImportNamespaces, ImportDenyNamespaces []string

	// How long a cluster that is not heard keeps its endpoints in first rank, and at all (0 for ever).
	DemoteAfter, WithdrawAfter time.Duration

	// What one other cluster may make this one hold.
	MaxServices, MaxEndpoints, MaxBytes int

	AddressRest time.Duration // how long a clusterset IP outlives its ServiceImport

	ServiceCIDRs []string // prefixes of this cluster's own Services, besides those of its ServiceCIDRs

	// How gates stand, each Name=bool, beside what the environment says.
	FeatureGates []string

	// Which Services auto-export exports: label selectors, "" for all; and host patterns of those that stay here, as
	// exporter.ParseLocals reads them, in the ClusterDomain.
	AutoExportNamespaceSelector, AutoExportServiceSelector string
	ClusterLocal                                           []string
	ClusterDomain                                          string

	HTTPAddress string // of health and metrics

	LogLevel  string
	LogFormat string

	Getenv func(string) string // reads the environment, which goes behind the flags; nil for none
}

// Defaults returns the Options of an agent that is told nothing.
func Defaults() Options {
	return Options{
		Clusterset:  "default", // one clusterset is the common case
		Namespace:   "hansa-system",
		Listen:      ":8443",         // unprivileged, so no capability is needed
		DNSZone:     dns.DefaultZone, // the only name that the KEP allows (D1)
		DNSTTL:      dns.DefaultTTL,
		AddressRest: kube.DefaultAddressRest,

		// What is in them is each cluster's own, and whoever controls it controls the cluster.
		ExportDenyNamespaces: []string{"kube-*"},
		ImportDenyNamespaces: []string{"kube-*"},

		DemoteAfter:   federation.DefaultPatience.Demote, // a leader that is replaced, or a short cut, moves no traffic
		WithdrawAfter: federation.DefaultPatience.Withdraw,

		MaxServices:  federation.DefaultLimits.Services,
		MaxEndpoints: federation.DefaultLimits.Endpoints,
		MaxBytes:     federation.DefaultLimits.Bytes,

		XDSMaxClients: xds.DefaultMaxClients,
		ClusterDomain: xds.DefaultClusterDomain,

		HTTPAddress: "127.0.0.1:8080", // metrics name services: open it on purpose
		LogLevel:    "info",
		LogFormat:   "text",
	}
}

// AddFlags binds every field to its flag.
func (o *Options) AddFlags(f *pflag.FlagSet) {
	f.StringVar(&o.Cluster, "cluster", o.Cluster, "ID of this cluster, unique in the clusterset: an RFC 1123 label of at most 63 characters (required)")
	f.StringVar(&o.Clusterset, "clusterset", o.Clusterset, "name of the clusterset, as in the members' certificates")
	f.StringVar(&o.Kubeconfig, "kubeconfig", o.Kubeconfig, "kubeconfig file of this cluster; without it the pod's own service account is used")
	f.StringVar(&o.Context, "context", o.Context, "context of the kubeconfig; without it its current one")
	f.StringVar(&o.Namespace, "namespace", o.Namespace, "namespace of this agent's own objects: the Lease hansa-agent, by which one of several agents leads, and the ConfigMap hansa-state, which remembers; it must exist")
	f.BoolVar(&o.InstallCRDs, "install-crds", o.InstallCRDs, "at start, install the CRDs of the MCS API, sigs.k8s.io/mcs-api "+mcsRelease+", or upgrade older ones; newer ones are left alone; needs ClusterRole "+installRole+" of docs/roles.yaml")
	f.StringVar(&o.Listen, "listen", o.Listen, "host:port on which other members connect")
	f.StringVar(&o.Advertise, "advertise", o.Advertise, "host:port at which other members reach this one; without it that of --listen, which must then name a host")
	f.StringVar(&o.ReplicaAddress, "replica-address", o.ReplicaAddress, "host:port at which the other agents of this cluster reach this one; without it that of --listen, with this machine's first address if it names none")
	f.StringSliceVar(&o.Peers, "peer", o.Peers, "host:port of a member to join; may be given several times")
	f.StringVar(&o.CertFile, "tls-cert-file", o.CertFile, "PEM file with this member's certificate, whose one URI SAN is spiffe://<clusterset>/cluster/<cluster> (required)")
	f.StringVar(&o.KeyFile, "tls-key-file", o.KeyFile, "PEM file with the certificate's private key (required)")
	f.StringVar(&o.CAFile, "tls-ca-file", o.CAFile, "PEM file with the CA certificates of the clusterset (required)")
	o.addDNSFlags(f)
	o.addXDSFlags(f)
	f.StringSliceVar(&o.ExportNamespaces, "export-namespaces", o.ExportNamespaces, "namespace whose ServiceExports are heeded, or <cluster>=<namespace> for what that cluster alone may see; in both * stands for any characters; may be given several times; without it all that are not denied")
	f.StringSliceVar(&o.ExportDenyNamespaces, "export-deny-namespaces", o.ExportDenyNamespaces, "namespace of which nothing is exported, or <cluster>=<namespace> for what that cluster may not see; as --export-namespaces, which it overrides; an empty value denies none")
	f.StringSliceVar(&o.ImportNamespaces, "import-namespaces", o.ImportNamespaces, "namespace into which services are imported, or <cluster>=<namespace> for what is taken from that cluster alone; as --export-namespaces")
	f.StringSliceVar(&o.ImportDenyNamespaces, "import-deny-namespaces", o.ImportDenyNamespaces, "namespace into which nothing is imported, or <cluster>=<namespace> for what is not taken from that cluster; as --export-deny-namespaces")
	f.DurationVar(&o.DemoteAfter, "demote-after", o.DemoteAfter, "how long a cluster that is not heard keeps its endpoints in first rank, 3s at least; then those of other clusters go before; an annotation of a ServiceExport can say otherwise for its service")
	f.DurationVar(&o.WithdrawAfter, "withdraw-after", o.WithdrawAfter, "how long until the endpoints of a cluster that is not heard go; 0 for never, else at least --demote-after, and 3s; an annotation of a ServiceExport can say otherwise for its service")
	f.IntVar(&o.MaxServices, "max-services", o.MaxServices, "most services that one other cluster may make this one hold; those beyond are refused")
	f.IntVar(&o.MaxEndpoints, "max-endpoints", o.MaxEndpoints, "most endpoints that one other cluster may make this one hold, in all of its services")
	f.IntVar(&o.MaxBytes, "max-bytes", o.MaxBytes, "about the most bytes of memory that one other cluster may make this one hold")
	f.DurationVar(&o.AddressRest, "address-rest", o.AddressRest, "how long the address of a ServiceImport that went is kept for the name to come back; 0 gives it back at once")
	f.StringSliceVar(&o.ServiceCIDRs, "service-cidrs", o.ServiceCIDRs, "range of this cluster's own Services, such as 10.96.0.0/12, in which endpoints of other members are dropped; may be given several times, and adds to the ServiceCIDR objects of the API server")
	f.StringSliceVar(&o.FeatureGates, features.Flag, o.FeatureGates, featureGatesUsage())
	f.StringVar(&o.AutoExportNamespaceSelector, "auto-export-namespace-selector", o.AutoExportNamespaceSelector, "label selector of the namespaces whose Services gate MCSAutoExport exports; without it all")
	f.StringVar(&o.AutoExportServiceSelector, "auto-export-service-selector", o.AutoExportServiceSelector, "label selector of the Services that gate MCSAutoExport exports; without it all")
	f.StringSliceVar(&o.ClusterLocal, "cluster-local", o.ClusterLocal, "host pattern of Services that stay in this cluster, such as *.shop.svc.cluster.local, or with =false behind it of those that do not: auto-export leaves them out, and their cluster.local never holds endpoints of other clusters; the most specific pattern counts; kube-* namespaces, kubernetes.default and the agents' own namespace stay unless a pattern says otherwise; may be given several times")
	f.StringVar(&o.ClusterDomain, "cluster-domain", o.ClusterDomain, "zone of this cluster's own Services, as its DNS has it, and domain of their xDS hosts below svc")
	f.StringVar(&o.HTTPAddress, "http-address", o.HTTPAddress, "host:port of /healthz, /readyz and /metrics")
	f.StringVar(&o.LogLevel, "log-level", o.LogLevel, "least level that is logged: debug, info, warn or error")
	f.StringVar(&o.LogFormat, "log-format", o.LogFormat, "format of the log: text or json")
}

// files returns the PEM files with their flags.
func (o *Options) files() []struct{ flag, path string } {
	return []struct{ flag, path string }{{"tls-cert-file", o.CertFile}, {"tls-key-file", o.KeyFile}, {"tls-ca-file", o.CAFile}}
}

// Validate returns what is wrong with the Options, each mistake on a line with its flag.
func (o *Options) Validate() error {
	var errs []error
	bad := func(flag, value string, err error) {
		if err != nil {
			errs = append(errs, fmt.Errorf("--%s %q: %w", flag, value, err))
		}
	}
	_, err := federation.ParseClusterID(o.Cluster)
	if o.Cluster == "" {
		errs = append(errs, fmt.Errorf("--cluster is required: %w", errors.Unwrap(err)))
	} else {
		bad("cluster", o.Cluster, errors.Unwrap(err))
	}
	_, err = trust.ParseClusterset(o.Clusterset)
	bad("clusterset", o.Clusterset, err)
	bad("listen", o.Listen, checkListen(o.Listen))
	if err := o.checkAdvertise(); o.Advertise != "" {
		bad("advertise", o.Advertise, err)
	} else if err != nil && checkListen(o.Listen) == nil {
		errs = append(errs, fmt.Errorf("--listen %q names no host and port that others can reach: give --advertise host:port too", o.Listen))
	}
	if o.ReplicaAddress != "" {
		bad("replica-address", o.ReplicaAddress, gossip.CheckAddress(o.ReplicaAddress))
	}
	if problems := validation.IsDNS1123Label(o.Namespace); len(problems) > 0 {
		bad("namespace", o.Namespace, errors.New("want the name of a namespace, an RFC 1123 label"))
	}
	for _, p := range o.Peers {
		bad("peer", p, checkAddress(p))
	}
	if o.Context != "" && o.Kubeconfig == "" {
		bad("context", o.Context, errors.New("want --kubeconfig too, the file that the context is in"))
	}
	for _, f := range o.files() {
		if f.path == "" {
			errs = append(errs, fmt.Errorf("--%s is required: want the path of a PEM file", f.flag))
		}
	}
	for flag, n := range map[string]int{"max-services": o.MaxServices, "max-endpoints": o.MaxEndpoints, "max-bytes": o.MaxBytes} {
		if n < 1 {
			bad(flag, strconv.Itoa(n), errors.New("want a number from 1"))
		}
	}
	o.checkPolicies(bad)
	o.checkQuiet(bad)
	errs = append(errs, o.checkFeatures(bad)...)
	if o.AddressRest < 0 {
		bad("address-rest", o.AddressRest.String(), errors.New("want "+aDuration+", or 0"))
	}
	for _, c := range o.ServiceCIDRs {
		_, err := parseRange(c)
		bad("service-cidrs", c, err)
	}
	bad("http-address", o.HTTPAddress, checkListen(o.HTTPAddress))
	o.checkDNS(bad)
	o.checkXDS(bad)
	_, err = o.level()
	bad("log-level", o.LogLevel, err)
	if o.LogFormat != "text" && o.LogFormat != "json" {
		bad("log-format", o.LogFormat, errors.New("want text or json"))
	}
	if len(errs) > 1 {
		return fmt.Errorf("%d mistakes, see hansa-agent --help\n%w", len(errs), errors.Join(errs...))
	}
	return errors.Join(errs...)
}

// advertised returns the address that other members are told.
func (o *Options) advertised() string {
	if o.Advertise != "" {
		return o.Advertise
	}
	return o.Listen
}

func (o *Options) checkAdvertise() error { return checkAddress(o.advertised()) }

// checkAddress is gossip's check, whose error repeats the address.
func checkAddress(address string) error {
	err := gossip.CheckAddress(address)
	if err == nil {
		return nil
	}
	return errors.New(strings.TrimPrefix(err.Error(), fmt.Sprintf("address %q: ", address)))
}

func (o *Options) level() (level slog.Level, err error) {
	if err := level.UnmarshalText([]byte(o.LogLevel)); err != nil {
		return 0, errors.New("want debug, info, warn or error")
	}
	return level, nil
}

// checkListen accepts host:port with an IP, a host name or nothing before the colon.
func checkListen(address string) error {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return errors.New("want host:port, or :port for every address")
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n > 65535 {
		return fmt.Errorf("port %q: want a number from 0 to 65535", port)
	}
	return nil
}
