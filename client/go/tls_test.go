package solvemesh_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	solvemesh "github.com/solvemesh/solvemesh/client/go"
	solvemeshv1 "github.com/solvemesh/solvemesh/client/go/solvemesh/v1"
)

// certificate makes a certificate that is its own CA, and writes it and its key into a folder.
func certificate(t *testing.T, folder, name string) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: name},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(time.Hour),
		IPAddresses:           []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(folder, name+".pem"), filepath.Join(folder, name+"-key.pem")
	for path, block := range map[string]*pem.Block{
		cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: secret},
	} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

func TestAGatewayWithTLSAndAPrivateCA(t *testing.T) {
	cert, key := certificate(t, t.TempDir(), "gateway")
	gateway, err := startGateway("127.0.0.1:0", "express=1,standard=1", "--tls-cert", cert, "--tls-key", key)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(gateway.stop)
	text, err := os.ReadFile(cert)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(text)
	address := "https://" + gateway.address
	client := connect(t, address, solvemesh.WithTLS(&tls.Config{RootCAs: roots}), solvemesh.WithToken("sesame"))
	result, err := client.Solve(limited(t), solvemesh.FromLP(wyndor), nil)
	if err != nil {
		t.Fatal(err)
	}
	if objective, ok := result.Objective(); !ok || !close(objective, 3600) {
		t.Errorf("the objective is %v, %v", objective, ok)
	}

	// The CAs of the system did not sign its certificate.
	stranger := connect(t, address).Service()
	_, err = stranger.GetCapabilities(limited(t), &solvemeshv1.GetCapabilitiesRequest{})
	if status.Code(err) != codes.Unavailable || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("a certificate that is not trusted: %v", err)
	}
}

func TestATokenIsSentOverTLSOrToThisMachineOnly(t *testing.T) {
	for _, address := range []string{"http://10.0.0.1:1", "mesh:1", "http://localhost.example:1"} {
		if _, err := solvemesh.Connect(address, solvemesh.WithToken("sesame")); err == nil {
			t.Errorf("%s: the token would be sent unencrypted", address)
		} else if strings.Contains(err.Error(), "sesame") {
			t.Errorf("%s: the token is in %v", address, err)
		}
		client, err := solvemesh.Connect(address, solvemesh.WithToken("sesame"), solvemesh.WithPlainTextToken())
		if err != nil {
			t.Fatal(err)
		}
		_ = client.Close()
	}
	if _, err := solvemesh.Connect("http://127.0.0.1:1", solvemesh.WithTLS(&tls.Config{})); err == nil {
		t.Error("a configuration of TLS without https:// has no effect")
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	seen := make(chan []string, 1)
	server := grpc.NewServer(grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
		md, _ := metadata.FromIncomingContext(stream.Context())
		seen <- md.Get("authorization")
		return status.Error(codes.Unimplemented, "")
	}))
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	client := connect(t, listener.Addr().String(), solvemesh.WithToken("sesame"))
	_, _ = client.Service().GetCapabilities(context.Background(), &solvemeshv1.GetCapabilitiesRequest{})
	if got := <-seen; len(got) != 1 || got[0] != "Bearer sesame" {
		t.Errorf("the metadata is %q", got)
	}
}
