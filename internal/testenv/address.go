package testenv

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"syscall"
	"testing"
)

// Ports for processes that are yet to start, or to start again. They are below the ones that systems give to outgoing
// connections (Linux from 32768, others from 49152), of which tests make so many that one would take the port meanwhile.
const (
	firstPort = 10_000
	lastPort  = 32_767
	portTries = 100
)

// FreeAddress is an address of this machine at which nobody listens, for a process that the test is about to start.
func FreeAddress(tb testing.TB) string {
	tb.Helper()
	port, err := freePort()
	if err != nil {
		tb.Fatal(err)
	}
	return loopback(port)
}

func freePort() (int, error) {
	for range portTries {
		port := firstPort + rand.IntN(lastPort-firstPort+1)
		listener, err := net.Listen("tcp", loopback(port))
		if errors.Is(err, syscall.EADDRINUSE) {
			continue
		}
		if err != nil {
			return 0, fmt.Errorf("looking for a free port: %w", err)
		}
		return port, listener.Close()
	}
	return 0, fmt.Errorf("looking for a free port: %d of those between %d and %d are taken", portTries, firstPort, lastPort)
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
