package lab

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"time"

	"k8s.io/client-go/rest"
)

// startTimeout bounds how long a cluster may take to become ready.
const startTimeout = 2 * time.Minute

// Cluster is one control plane. Its methods may be called by many goroutines.
type Cluster struct {
	// Name is the cluster's, as in Config.Clusters.
	Name string
	// Kubeconfig is the path of a kubeconfig whose context, cluster and user are
	// named like the cluster; the user is in group system:masters.
	Kubeconfig string
	// LogDir holds a log per program, named like it: etcd.log,
	// kube-apiserver.log, kube-controller-manager.log.
	LogDir string

	dir         string
	bin         string
	services    []netip.Prefix
	advertise   netip.Addr
	port        *port
	credentials credentials
	manager     bool

	mu         sync.Mutex // held while processes are started or stopped.
	etcd       *Process
	apiServer  *Process
	controller *Process
	stopped    bool
}

// RESTConfig is a new configuration of an administrator's client, with a server
// address on loopback and without a limit on requests per second.
func (c *Cluster) RESTConfig() *rest.Config {
	return &rest.Config{
		Host:            "https://" + c.port.hostPort(),
		BearerToken:     c.credentials.token,
		TLSClientConfig: rest.TLSClientConfig{CAData: c.credentials.ca},
		QPS:             -1,
	}
}

// StartAPIServer starts the API server again after StopAPIServer, at the same
// address and with the same data, and returns when it is ready. After an error it
// does not run.
func (c *Cluster) StartAPIServer(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if err := c.restart(ctx); err != nil {
		return fmt.Errorf("start the API server of cluster %s again: %w", c.Name, err)
	}
	return nil
}

func (c *Cluster) restart(ctx context.Context) error {
	select {
	case <-c.apiServer.Done():
	default:
		return errors.New("it runs")
	}
	if c.stopped {
		return errors.New("the lab is stopped")
	}
	if err := c.startAPIServer(ctx); err != nil {
		return errors.Join(err, c.apiServer.Stop(0))
	}
	return nil
}

// StopAPIServer kills the API server and returns when it is gone; connections to
// it are refused until StartAPIServer. Stopping it twice is fine.
func (c *Cluster) StopAPIServer() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.apiServer.Stop(0)
}

// start makes everything of the cluster and returns when it is ready. After an
// error the caller still has to stop it.
func (c *Cluster) start(ctx context.Context) (err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if err := c.prepare(); err != nil {
		return err
	}
	if c.etcd, err = c.run("etcd", c.etcdArgs()); err != nil {
		return err
	}
	// The API server that does not find etcd's socket tries again only a second later.
	socket := filepath.Join(c.dir, etcdSocket)
	err = await(ctx, c.etcd, nil, func(context.Context) error { _, err := os.Stat(socket); return err })
	if err != nil {
		return err
	}
	if err := c.startAPIServer(ctx); err != nil || !c.manager {
		return err
	}
	c.controller, err = c.run("kube-controller-manager", c.controllerArgs())
	return err
}

func (c *Cluster) prepare() (err error) {
	secrets := filepath.Join(c.dir, "pki")
	for _, dir := range []string{secrets, c.LogDir} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	if c.port, err = reservePort(); err != nil {
		return err
	}
	addresses := []net.IP{net.IPv4(127, 0, 0, 1), c.advertise.AsSlice()}
	for _, services := range c.services {
		addresses = append(addresses, services.Addr().Next().AsSlice()) // of the Service kubernetes.
	}
	if c.credentials, err = newCredentials(secrets, c.Name, addresses); err != nil {
		return err
	}
	return writeKubeconfig(c.Kubeconfig, c)
}

func (c *Cluster) run(program string, args []string) (*Process, error) {
	return StartProcess(ProcessConfig{
		Name:    program,
		Path:    filepath.Join(c.bin, program),
		Args:    args,
		Dir:     c.dir,
		LogFile: filepath.Join(c.LogDir, program+".log"),
	})
}

func (c *Cluster) startAPIServer(ctx context.Context) error {
	process, err := c.run("kube-apiserver", c.apiServerArgs())
	if err != nil {
		return err
	}
	c.apiServer = process
	client := c.probe()
	defer client.CloseIdleConnections()
	return await(ctx, c.apiServer, c.etcd, func(ctx context.Context) error { return c.ready(ctx, client) })
}

// probe is a client of the API server alone, without proxy.
func (c *Cluster) probe() *http.Client {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(c.credentials.ca)
	return &http.Client{
		Timeout:   5 * time.Second,
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}},
	}
}

// ready asks the API server whether it is; the error has the checks that fail.
func (c *Cluster) ready(ctx context.Context, client *http.Client) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+c.port.hostPort()+"/readyz", nil)
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+c.credentials.token)
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxTail))
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("/readyz: %s: %s", response.Status, body)
	}
	return err
}

// stop kills what runs of the cluster and gives its port back.
func (c *Cluster) stop() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopped = true
	var errs []error
	for _, process := range []*Process{c.controller, c.apiServer, c.etcd} {
		if process != nil {
			errs = append(errs, process.Stop(0))
		}
	}
	if c.port != nil {
		errs = append(errs, c.port.release())
	}
	return errors.Join(errs...)
}
