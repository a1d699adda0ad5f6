package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"time"
)

// xdsMemory is what a server of xDS holds beyond the Store and the View: for each endpoint, once a client was told of all;
// and for many clients, with TLS, each with a few names.
var xdsMemory = group{name: "xds-memory", ids: []string{"xds-memory/endpoint", "xds-memory/connections"}, alone: true, measure: measureXDSMemory}

const (
	manyClients = 1000
	fewNames    = 10 // of each of them
	// perEndpoint is what an endpoint may take: twice of what it is meant to.
	perEndpoint = 2 * 42
)

func measureXDSMemory(ctx context.Context, b *bench) ([]row, error) {
	held, err := heldForXDS(ctx, b)
	if err != nil {
		return nil, err
	}
	connected, err := heldForClients(ctx, b)
	return []row{
		{id: "xds-memory/endpoint", value: held, unit: "B"},
		{id: "xds-memory/connections", value: connected, unit: "MB"},
	}, err
}

// heldForXDS returns the bytes of heap that a server holds for each endpoint once one client was told of all clusters
// and all assignments.
func heldForXDS(ctx context.Context, b *bench) (each float64, err error) {
	var address string
	server, err := startProcess(ctx, b, "xds-server", xdsTask{Services: fanoutServices, Endpoints: xdsEndpoints}, &address)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, server.stop()) }()
	var before, after uint64
	if err := errors.Join(server.ask("heap", &before), server.ask("serve", nil)); err != nil {
		return 0, err
	}
	who := xdsCrowd{Address: address, Connections: 1, Names: fanoutServices, Services: fanoutServices, All: true}
	client, err := startProcess(ctx, b, "xds-clients", who, nil)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, client.stop()) }()
	err = server.ask("heap", &after)
	return (float64(after) - float64(before)) / (fanoutServices * xdsEndpoints), err
}

// heldForClients returns the memory, in MB, that a server has resident for its clients.
func heldForClients(ctx context.Context, b *bench) (resident float64, err error) {
	dir, err := os.MkdirTemp("", "hansa-bench-")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := writeCertificate(dir); err != nil {
		return 0, err
	}
	var address string
	server, err := startProcess(ctx, b, "xds-server", xdsTask{Services: fanoutServices, Endpoints: fewEndpoints, Dir: dir}, &address)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, server.stop()) }()
	var idle, busy usage
	if err := errors.Join(server.ask("serve", nil), server.ask("idle", &idle)); err != nil {
		return 0, err
	}
	who := xdsCrowd{Address: address, CA: dir + "/tls.crt", Connections: manyClients, Names: fewNames, Services: fanoutServices}
	clients, err := startProcess(ctx, b, "xds-clients", who, nil)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, clients.stop()) }()
	if err := sleep(ctx, settling); err != nil {
		return 0, err
	}
	err = server.ask("used", &busy)
	return busy.resident() - idle.resident(), err
}

// writeCertificate writes a certificate of this machine, which trusts itself, into dir.
func writeCertificate(dir string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "bench"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return fmt.Errorf("making a certificate: %w", err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("encoding a key: %w", err)
	}
	return errors.Join(
		os.WriteFile(dir+"/tls.crt", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate}), 0o600),
		os.WriteFile(dir+"/tls.key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600),
	)
}
