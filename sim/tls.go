package sim

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// The certificate authority under which the listeners prove who they are. Certificates live in the time of the wall,
// not in simulated time: clients check them against their own clock.
//
// In a directory the authority is two files. The key is the first to appear and the certificate is made from it, each
// under another name first and then linked into place. So of two processes that start at once one wins each file and
// both use what won, and one that dies in between leaves a state that the next one completes.

const (
	caCertFile = "ca.pem"
	caKeyFile  = "ca-key.pem"

	caLife   = 10 * 365 * 24 * time.Hour
	leafLife = 397 * 24 * time.Hour // what the strictest clients still accept
)

// DefaultCADir is where the command keeps its certificate authority: the directory risim in the user's place for
// configuration. It fails where the environment names none, such as without HOME.
func DefaultCADir() (string, error) {
	dir, err := os.UserConfigDir()
	if err != nil {
		return "", fmt.Errorf("finding a directory for the CA: %w", err)
	}
	return filepath.Join(dir, "risim"), nil
}

// CA is a certificate authority that any number of simulators can share: see Options.CA. It never changes.
type CA struct{ authority *authority }

// NewCA makes the authority of a directory, as Options.CADir does; "" makes one that lives in memory.
func NewCA(dir string) (*CA, error) {
	make := newAuthority
	if dir != "" {
		make = func(now time.Time) (*authority, error) { return openAuthority(dir, now) }
	}
	a, err := make(time.Now()) // of the wall: see above
	if err != nil {
		return nil, err
	}
	return &CA{a}, nil
}

// PEM is the authority's certificate. The caller must not change it.
func (c *CA) PEM() []byte { return c.authority.pem }

// authority signs certificates. It does not change once made.
type authority struct {
	cert *x509.Certificate
	key  crypto.Signer
	pem  []byte // the certificate
	file string // where it stands; empty when it is only in memory
}

// newAuthority makes one that lives in memory.
func newAuthority(now time.Time) (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making the CA's key: %w", err)
	}
	data, err := selfSign(key, now)
	if err != nil {
		return nil, err
	}
	return parseAuthority(data, key)
}

// openAuthority uses the one in dir, and makes it when there is none. Errors name the file that is at fault.
func openAuthority(dir string, now time.Time) (*authority, error) {
	if abs, err := filepath.Abs(dir); err == nil { // for whoever is told the name and works elsewhere
		dir = abs
	}
	certFile, keyFile := filepath.Join(dir, caCertFile), filepath.Join(dir, caKeyFile)
	certPEM, err := os.ReadFile(certFile) // before the key, which is the first to be made: so a key missing now is lost
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if certPEM, err = makeAuthority(dir, now); err != nil {
			return nil, fmt.Errorf("making a CA in %s: %w", dir, err)
		}
	case err != nil:
		return nil, fmt.Errorf("reading the CA's certificate: %w", err)
	}
	anew := fmt.Sprintf("remove %s and %s from %s to have new ones made", caCertFile, caKeyFile, dir)
	key, err := readKey(keyFile)
	if err != nil {
		return nil, fmt.Errorf("%w; %s", err, anew)
	}
	a, err := parseAuthority(certPEM, key)
	if err != nil {
		return nil, fmt.Errorf("%s: %w; %s", certFile, err, anew)
	}
	if now.After(a.cert.NotAfter) {
		return nil, fmt.Errorf("%s: expired on %s; %s", certFile, a.cert.NotAfter.UTC().Format(time.DateOnly), anew)
	}
	a.file = certFile
	return a, nil
}

// makeAuthority puts what is missing in dir and returns the certificate, which another process may have made.
func makeAuthority(dir string, now time.Time) (_ []byte, err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			os.Remove(dir) // succeeds only on an empty directory: nothing half made stays
		}
	}()
	certFile, keyFile := filepath.Join(dir, caCertFile), filepath.Join(dir, caKeyFile)

	fresh, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(fresh)
	if err != nil {
		return nil, err
	}
	if err := putIfAbsent(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
		return nil, err
	}
	key, err := readKey(keyFile)
	if err != nil {
		return nil, err
	}
	data, err := selfSign(key, now)
	if err != nil {
		return nil, err
	}
	if err := putIfAbsent(certFile, data, 0o644); err != nil {
		return nil, err
	}
	return os.ReadFile(certFile)
}

// putIfAbsent makes a file with all of data in it at once, or leaves the one that is there.
func putIfAbsent(name string, data []byte, mode fs.FileMode) error {
	temp, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+"-*")
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name())
	_, err = temp.Write(data)
	if err = errors.Join(err, temp.Chmod(mode), temp.Close()); err != nil {
		return err
	}
	if err := os.Link(temp.Name(), name); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

func readKey(name string) (crypto.Signer, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("reading the CA's key: %w", err)
	}
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, fmt.Errorf("%s: holds no PEM block; expected a private key", name)
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s: holds %q; expected a private key in PKCS #8 form: %w", name, block.Type, err)
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("%s: holds a key that cannot sign", name)
	}
	return signer, nil
}

// selfSign makes the authority's certificate, in PEM.
func selfSign(key crypto.Signer, now time.Time) ([]byte, error) {
	serial, err := newSerial()
	if err != nil {
		return nil, err
	}
	t := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{Organization: []string{"risim"}, CommonName: fmt.Sprintf("risim CA %x", serial.Bytes()[:4])},
		NotBefore:             now.Add(-time.Hour), // for clients whose clock is behind
		NotAfter:              now.Add(caLife),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("making the CA's certificate: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), nil
}

func parseAuthority(data []byte, key crypto.Signer) (*authority, error) {
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, errors.New("holds no PEM block; expected a certificate")
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("holds %q; expected a certificate: %w", block.Type, err)
	}
	if !cert.IsCA {
		return nil, fmt.Errorf("certificate of %q is not a CA's", cert.Subject.CommonName)
	}
	public, ok := key.Public().(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !public.Equal(cert.PublicKey) {
		return nil, fmt.Errorf("certificate of %q does not belong to the key in %s", cert.Subject.CommonName, caKeyFile)
	}
	return &authority{cert: cert, key: key, pem: pem.EncodeToMemory(block)}, nil
}

// leaf makes the certificate of one listener, for all the names and addresses under which it is reached. A name that
// cannot stand in a certificate is left out.
func (a *authority) leaf(keys keyMaker, common string, names []string, addrs []netip.Addr, now time.Time) (tls.Certificate, error) {
	key, err := keys()
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("making the key of %s: %w", common, err)
	}
	serial, err := newSerial()
	if err != nil {
		return tls.Certificate{}, err
	}
	t := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{Organization: []string{"risim"}, CommonName: common},
		NotBefore:    now.Add(-time.Hour),
		NotAfter:     now.Add(leafLife),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if t.NotAfter.After(a.cert.NotAfter) {
		t.NotAfter = a.cert.NotAfter
	}
	seenName, seenAddr := map[string]bool{}, map[netip.Addr]bool{}
	for _, n := range names {
		if ip, err := netip.ParseAddr(n); err == nil {
			addrs = append(addrs[:len(addrs):len(addrs)], ip)
		} else if isHostName(n) && !seenName[n] {
			seenName[n] = true
			t.DNSNames = append(t.DNSNames, n)
		}
	}
	for _, ip := range addrs {
		if ip = ip.Unmap().WithZone(""); ip.IsValid() && !seenAddr[ip] {
			seenAddr[ip] = true
			t.IPAddresses = append(t.IPAddresses, net.IP(ip.AsSlice()))
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, t, a.cert, key.Public(), a.key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("making the certificate of %s: %w", common, err)
	}
	return tls.Certificate{Certificate: [][]byte{der, a.cert.Raw}, PrivateKey: key}, nil
}

// isHostName tells whether a name can stand in a certificate: clients reject one that holds anything odd.
func isHostName(name string) bool {
	return name != "" && strings.Trim(strings.ToLower(name), "abcdefghijklmnopqrstuvwxyz0123456789-_.") == ""
}

func newSerial() (*big.Int, error) {
	var b [16]byte
	if _, err := rand.Read(b[:]); err != nil {
		return nil, fmt.Errorf("drawing a serial number: %w", err)
	}
	b[0] = b[0]&0x7f | 0x40 // positive, and of full length
	return new(big.Int).SetBytes(b[:]), nil
}

// keyMaker makes the key of a listener.
type keyMaker func() (crypto.Signer, error)

// ellipticKey makes keys with which a handshake costs a quarter of what it costs with the others.
func ellipticKey() (crypto.Signer, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) }

// rsaKey makes keys for clients that offer no cipher for elliptic curves. It takes a tenth of a second.
func rsaKey() (crypto.Signer, error) { return rsa.GenerateKey(rand.Reader, 2048) }

// serverTLS is the configuration of one listener: TLS 1.2 and later, no HTTP/2, as clients of Unified CM see it. Session
// tickets are crypto/tls's own matter.
func serverTLS(cert tls.Certificate) *tls.Config {
	return &tls.Config{
		MinVersion:   tls.VersionTLS12,
		Certificates: []tls.Certificate{cert},
		NextProtos:   []string{"http/1.1", "http/1.0"},

		// An answer is there as a whole when it is sent, and clients look at it as a whole: small records at first would only
		// be more of them.
		DynamicRecordSizingDisabled: true,
	}
}
