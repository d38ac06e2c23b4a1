package solvemesh_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	solvemesh "github.com/solvemesh/solvemesh/client/go"
	solvemeshv1 "github.com/solvemesh/solvemesh/client/go/solvemesh/v1"
)

// gateway is a real gateway, which solves in its own process.
type gateway struct {
	address string
	process *exec.Cmd
}

// startGateway starts the gateway of the folder SOLVEMESH_BIN.
func startGateway(listen, slots string, flags ...string) (*gateway, error) {
	folder := os.Getenv("SOLVEMESH_BIN")
	if folder == "" {
		folder = filepath.Join("..", "..", "target", "release")
	}
	flags = append([]string{"--listen", listen, "--slots", slots}, flags...)
	process := exec.Command(filepath.Join(folder, "solvemesh-gateway"), flags...)
	out, err := process.StdoutPipe()
	if err != nil {
		return nil, err
	}
	var errors strings.Builder
	process.Stderr = &errors
	if err := process.Start(); err != nil {
		return nil, err
	}
	line, _ := bufio.NewReader(out).ReadString('\n')
	address, found := strings.CutPrefix(strings.TrimSpace(line), "listening on ")
	if !found {
		_ = process.Wait()
		return nil, fmt.Errorf("the gateway did not start: %s", errors.String())
	}
	return &gateway{address: address, process: process}, nil
}

func (g *gateway) stop() {
	_ = g.process.Process.Signal(syscall.SIGTERM)
	_ = g.process.Wait()
}

// shared is the gateway of all tests that need none of their own.
var shared *gateway

func TestMain(m *testing.M) {
	var err error
	if shared, err = startGateway("127.0.0.1:0", "express=1,standard=2"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	shared.stop()
	os.Exit(code)
}

func connect(t *testing.T, address string, options ...solvemesh.Option) *solvemesh.Client {
	t.Helper()
	client, err := solvemesh.Connect(address, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// limited is a context of a test: what should take a second fails after a minute.
func limited(t *testing.T) context.Context {
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(stop)
	return ctx
}

const wyndor = `Maximize
 profit: 300 Doors + 500 Windows
Subject To
 plant1: Doors <= 4
 plant2: 2 Windows <= 12
 plant3: 3 Doors + 2 Windows <= 18
End`

// marketSplit is a MIP that has solutions at once, and whose proof of optimality takes hours
// (Cornuejols and Dawande 1998): minimise the slack of equations with large coefficients.
func marketSplit() *solvemeshv1.Model {
	const rows, columns = 4, 30
	random := rand.New(rand.NewSource(7))
	text := strings.Builder{}
	text.WriteString("Minimize\n slack: ")
	for row := range rows {
		fmt.Fprintf(&text, " + over%d + under%d", row, row)
	}
	text.WriteString("\nSubject To\n")
	for row := range rows {
		sum := 0
		for column := range columns {
			coefficient := random.Intn(100)
			sum += coefficient
			fmt.Fprintf(&text, " + %d x%d", coefficient, column)
		}
		fmt.Fprintf(&text, " + over%d - under%d = %d\n", row, row, sum/2)
	}
	text.WriteString("Binaries\n")
	for column := range columns {
		fmt.Fprintf(&text, " x%d", column)
	}
	text.WriteString("\nEnd\n")
	return solvemesh.FromLP(text.String())
}

// cutter forwards connections to a gateway, and can cut them.
type cutter struct {
	net.Listener
	mutex sync.Mutex
	open  []net.Conn
	count int
}

func startCutter(t *testing.T, target string) *cutter {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cutter{Listener: listener}
	t.Cleanup(func() { _ = listener.Close(); c.cut() })
	go func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", target)
			if err != nil {
				_ = near.Close()
				continue
			}
			c.mutex.Lock()
			c.open = append(c.open, near, far)
			c.count++
			c.mutex.Unlock()
			go pipe(near, far)
			go pipe(far, near)
		}
	}()
	return c
}

// pipe copies until one of the two is closed.
func pipe(to, from net.Conn) {
	buffer := make([]byte, 1<<16)
	for {
		n, err := from.Read(buffer)
		if err == nil {
			_, err = to.Write(buffer[:n])
		}
		if err != nil {
			_ = to.Close()
			return
		}
	}
}

// cut closes all connections. New ones are accepted.
func (c *cutter) cut() {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	for _, conn := range c.open {
		_ = conn.Close()
	}
	c.open = nil
}

// connections is the number of connections so far.
func (c *cutter) connections() int {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return c.count
}
