package sim

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var noon = time.Date(2026, time.March, 2, 12, 0, 0, 0, time.UTC)

func TestAuthority_MadeOnceAndUsedAgain(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "deep", "risim")
	first, err := openAuthority(dir, noon)
	require.NoError(t, err)
	again, err := openAuthority(dir, noon.AddDate(1, 0, 0))
	require.NoError(t, err)
	require.Equal(t, first.pem, again.pem)
	require.Equal(t, filepath.Join(dir, "ca.pem"), again.file)

	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	require.Equal(t, []string{"ca-key.pem", "ca.pem"}, names, "temporary files must not stay")
	key, err := os.Stat(filepath.Join(dir, "ca-key.pem"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), key.Mode().Perm())
	onDisk, err := os.ReadFile(again.file)
	require.NoError(t, err)
	require.Equal(t, string(onDisk), string(again.pem))
}

// Many at once, as many processes would, all end with the same authority.
func TestAuthority_MadeByManyAtOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	got := make([]*authority, 32)
	errs := make([]error, len(got))
	var all sync.WaitGroup
	for i := range got {
		all.Go(func() { got[i], errs[i] = openAuthority(dir, noon) })
	}
	all.Wait()
	for i := range got {
		require.NoError(t, errs[i])
		require.Equal(t, string(got[0].pem), string(got[i].pem))
	}
}

// A process that died between the two files leaves a key; the next one completes it.
func TestAuthority_CompletesHalf(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first, err := openAuthority(dir, noon)
	require.NoError(t, err)
	require.NoError(t, os.Remove(first.file))
	second, err := openAuthority(dir, noon)
	require.NoError(t, err)
	require.True(t, first.cert.PublicKey.(*ecdsa.PublicKey).Equal(second.cert.PublicKey), "the key that was there is used")
}

func TestAuthority_NamesWhatIsWrong(t *testing.T) {
	t.Parallel()
	foreign, err := newAuthority(noon)
	require.NoError(t, err)
	leafKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	leaf, err := foreign.leaf(ellipticKey, "x", []string{"x"}, nil, noon)
	require.NoError(t, err)
	leafPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: leaf.Certificate[0]})
	der, err := x509.MarshalECPrivateKey(leafKey)
	require.NoError(t, err)
	oldKey := pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der})

	write := func(name string, data []byte) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			require.NoError(t, os.WriteFile(filepath.Join(dir, name), data, 0o600))
		}
	}
	for _, c := range []struct {
		name   string
		spoil  func(t *testing.T, dir string)
		now    time.Time
		expect []string
	}{
		{"broken certificate", write("ca.pem", []byte("rubbish")), noon, []string{"ca.pem: holds no PEM block", "remove ca.pem and ca-key.pem from"}},
		{"certificate of nonsense", write("ca.pem", []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")), noon, []string{"ca.pem: holds \"CERTIFICATE\"; expected a certificate"}},
		{"foreign certificate", write("ca.pem", foreign.pem), noon, []string{"ca.pem: certificate of \"risim CA", "does not belong to the key in ca-key.pem"}},
		{"not a CA", write("ca.pem", leafPEM), noon, []string{"ca.pem: certificate of \"x\" is not a CA's"}},
		{"broken key", write("ca-key.pem", []byte("rubbish")), noon, []string{"ca-key.pem: holds no PEM block"}},
		{"key in another form", write("ca-key.pem", oldKey), noon, []string{"ca-key.pem: holds \"EC PRIVATE KEY\"; expected a private key in PKCS #8 form"}},
		{"key lost", func(t *testing.T, dir string) { require.NoError(t, os.Remove(filepath.Join(dir, "ca-key.pem"))) }, noon, []string{"reading the CA's key", "ca-key.pem"}},
		{"expired", func(*testing.T, string) {}, noon.AddDate(11, 0, 0), []string{"ca.pem: expired on 2036-02-28"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			_, err := openAuthority(dir, noon)
			require.NoError(t, err)
			c.spoil(t, dir)
			_, err = openAuthority(dir, c.now)
			require.Error(t, err)
			for _, text := range c.expect {
				require.ErrorContains(t, err, text)
			}
			require.ErrorContains(t, err, dir)
		})
	}
}

func TestAuthority_LeavesNothingHalfMade(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err := openAuthority(filepath.Join(file, "risim"), noon)
	require.ErrorContains(t, err, file)

	// The key's name is taken by a directory, so that the CA's own directory has already been made when it fails.
	dir := filepath.Join(t.TempDir(), "risim")
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "ca-key.pem"), 0o700))
	_, err = openAuthority(dir, noon)
	require.ErrorContains(t, err, "ca-key.pem")
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, left, 1, "only what was there before")
}

func TestLeaf_NamesAndLife(t *testing.T) {
	t.Parallel()
	a, err := newAuthority(noon)
	require.NoError(t, err)
	v4, v6 := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("fe80::1%eth0")
	pair, err := a.leaf(ellipticKey, "cucm-pub", []string{"localhost", "cucm-pub", "cucm-pub", "10.1.1.1", "Zürich", "a b"},
		[]netip.Addr{v4, v4, v6, {}, netip.MustParseAddr("::ffff:10.0.0.1")}, noon)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(pair.Certificate[0])
	require.NoError(t, err)
	require.Equal(t, []string{"localhost", "cucm-pub"}, cert.DNSNames)
	var ips []string
	for _, ip := range cert.IPAddresses {
		ips = append(ips, ip.String())
	}
	require.Equal(t, "10.0.0.1 fe80::1 10.1.1.1", strings.Join(ips, " "))
	require.Equal(t, noon.Add(leafLife), cert.NotAfter)

	late := noon.AddDate(9, 11, 0) // the CA ends before the leaf would
	pair, err = a.leaf(ellipticKey, "x", nil, nil, late)
	require.NoError(t, err)
	cert, err = x509.ParseCertificate(pair.Certificate[0])
	require.NoError(t, err)
	require.Equal(t, a.cert.NotAfter, cert.NotAfter)

	pool := x509.NewCertPool()
	require.True(t, pool.AppendCertsFromPEM(bytes.Clone(a.pem)))
	_, err = cert.Verify(x509.VerifyOptions{Roots: pool, CurrentTime: late})
	require.NoError(t, err)
}

// A client that comes again resumes its session, whatever the keys; one that offers ciphers for RSA only gets a connection from
// RSA keys only.
func TestTLS_KeysAndTickets(t *testing.T) {
	t.Parallel()
	for _, rsa := range []bool{false, true} {
		ris, err := Start(t.Context(), Options{RSA: rsa, Manual: true, Devices: 60})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, ris.Close()) })
		roots := x509.NewCertPool()
		require.True(t, roots.AppendCertsFromPEM(ris.CAPEM()))
		dial := func(config *tls.Config) (tls.ConnectionState, error) {
			config.RootCAs, config.ServerName = roots, "localhost"
			conn, err := tls.Dial("tcp", ris.endpoints[0].addr.String(), config)
			if err != nil {
				return tls.ConnectionState{}, err
			}
			defer conn.Close()
			// A ticket comes with the first answer.
			_, err = conn.Write([]byte("GET / HTTP/1.0\r\n\r\n"))
			require.NoError(t, err)
			_, err = io.Copy(io.Discard, conn)
			return conn.ConnectionState(), err
		}
		tickets := tls.NewLRUClientSessionCache(1)
		for again := range 2 {
			state, err := dial(&tls.Config{ClientSessionCache: tickets})
			require.NoError(t, err)
			require.Equal(t, again == 1, state.DidResume)
		}
		_, err = dial(&tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}})
		require.Equal(t, rsa, err == nil, "%v", err)
	}
	_, err := Start(t.Context(), Options{RSA: true, Plain: true})
	require.EqualError(t, err, "RSA keys cannot be had: without TLS there are no keys")
}
