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

// Ports for processes that start later or restart. They are below the ephemeral ports (Linux from 32768, others from
// 49152): tests open so many outgoing connections that one would take such a port meanwhile.
const (
	firstPort = 10_000
	lastPort  = 32_767
	portTries = 100
)

// FreeAddress returns a loopback address without a listener, for a process that the test starts next.
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
	return 0, fmt.Errorf("looking for a free port: %d tries between %d and %d found only taken ones", portTries, firstPort, lastPort)
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
