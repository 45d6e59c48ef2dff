package testenv

import (
	"fmt"
	"os"
	"sync"
	"testing"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

// Shared is one control plane for all tests of a package. The first [Shared.Get] starts it:
//
//	var cluster testenv.Shared
//
//	func TestMain(m *testing.M) { cluster.Main(m) }
//
//	func TestSomething(t *testing.T) {
//		env := cluster.Get(t)
//		namespace := env.Namespace(t)
//		…
//
// The zero value is ready to use. Each test uses its own namespaces.
type Shared struct {
	Options Options

	once sync.Once
	env  *Environment
	err  error
}

// Main runs the package's tests without controller-runtime's log and stops the control plane. It exits with the tests'
// code, or 1 if stopping failed.
func (s *Shared) Main(m *testing.M) {
	log.SetLogger(logr.Discard())
	code := m.Run()
	if s.env != nil {
		if err := s.env.Stop(); err != nil {
			fmt.Fprintf(os.Stderr, "stopping the control plane: %v\n", err)
			code = max(code, 1)
		}
	}
	os.Exit(code)
}

// Get returns the running control plane. It skips the test with -short, and fails it when the control plane does not
// start.
func (s *Shared) Get(tb testing.TB) *Environment {
	tb.Helper()
	if testing.Short() {
		tb.Skip("needs a control plane: skipped with -short")
	}
	s.once.Do(func() { s.env, s.err = Start(tb.Context(), s.Options) })
	if s.err != nil {
		tb.Fatalf("starting the control plane: %v", s.err)
	}
	return s.env
}
