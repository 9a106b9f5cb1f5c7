//go:build linux

package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"math/big"
	"net"
	"net/http"
	"strconv"
	"time"
)

// constantServer is the measure of all others: net/http and constant bytes, with what any server of its kind does and no
// more. It reads the request, and sends one of a few answers in one Write.
type constantServer struct {
	Address string
	TLS     bool
	Answers map[string][]byte // by path
}

func serveConstant() error {
	var c constantServer
	if err := input(&c); err != nil {
		return err
	}
	l, err := net.Listen("tcp", c.Address)
	if err != nil {
		return err
	}
	if c.TLS {
		config, err := serverTLS()
		if err != nil {
			return err
		}
		l = tls.NewListener(l, config)
	}
	server := &http.Server{Handler: c.handler(), Protocols: new(http.Protocols)}
	server.Protocols.SetHTTP1(true)
	return server.Serve(l)
}

func (c *constantServer) handler() http.Handler {
	type answer struct {
		body   []byte
		length string
	}
	answers := map[string]answer{}
	for path, body := range c.Answers {
		answers[path] = answer{body, strconv.Itoa(len(body))}
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // fails when the client has gone
		a, ok := answers[r.URL.Path]
		if !ok {
			a.length = "0"
		}
		w.Header().Set("Content-Type", "text/xml;charset=utf-8")
		w.Header().Set("Content-Length", a.length)
		_, _ = w.Write(a.body)
	})
}

// serverTLS has a key of the same kind as risim's, and session tickets, which are the default of crypto/tls.
func serverTLS() (*tls.Config, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	t := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()),
		Subject:      pkix.Name{CommonName: "localhost"},
		DNSNames:     []string{"localhost"},
		NotBefore:    now.Add(-time.Hour),
		NotAfter:     now.Add(24 * time.Hour),
		KeyUsage:     x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err != nil {
		return nil, err
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"},
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, nil
}
