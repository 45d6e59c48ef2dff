package hrana

import (
	"bufio"
	"encoding/hex"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// Vendor returns the paths of node and of the directory with the vendor's client and engine. It skips the test where they
// are neither in the cache nor to be installed.
func Vendor(tb testing.TB) (node, modules string) {
	tb.Helper()
	if testing.Short() {
		tb.Skip("needs the vendor's packages from npm, which -short leaves out")
	}
	node, err := exec.LookPath("node")
	if err != nil {
		tb.Skip("node is not installed: nothing is compared with the vendor's client and engine")
	}
	modules, err = packages()
	if err != nil {
		tb.Skipf("hack/libsql-client.sh cannot install the vendor's packages (its messages are on stderr): %v", err)
	}
	return node, modules
}

var packages = sync.OnceValues(func() (string, error) {
	root, err := moduleRoot()
	if err != nil {
		return "", err
	}
	script := exec.Command(filepath.Join(root, "hack", "libsql-client.sh"))
	script.Stderr = os.Stderr // has progress and the cause of a failure
	out, err := script.Output()
	return strings.TrimSpace(string(out)), err
})

func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
	}
	return "", errors.New("there is no go.mod above the working directory")
}

// VendorEngine starts a server on the vendor's own engine until the test ends. The function that it returns has the URL of
// the database in a file.
func VendorEngine(tb testing.TB) (urlOf func(path string) string) {
	tb.Helper()
	node, modules := Vendor(tb)
	root, err := moduleRoot()
	if err != nil {
		tb.Fatal(err)
	}
	script := filepath.Join(root, "internal", "store", "storetest", "hrana", "testdata", "engine.mjs")
	process := exec.Command(node, script, modules)
	process.Stderr = os.Stderr
	in, inErr := process.StdinPipe() // it ends with this process, however that ends
	out, outErr := process.StdoutPipe()
	if err := errors.Join(inErr, outErr, process.Start()); err != nil {
		tb.Fatalf("starting the vendor's engine: %v", err)
	}
	tb.Cleanup(func() {
		_ = in.Close()
		_ = process.Wait()
	})
	port, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		tb.Skipf("the vendor's engine does not run on this machine (its messages are on stderr): %v", err)
	}
	return func(path string) string {
		return "libsql://127.0.0.1:" + strings.TrimSpace(port) + "/" + hex.EncodeToString([]byte(path)) + "?tls=0"
	}
}
