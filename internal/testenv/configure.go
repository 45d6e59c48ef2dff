package testenv

import (
	_ "embed"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

const (
	auditPolicyFile = "audit-policy.yaml"
	auditLogFile    = "audit.log"
	apiServer       = "kube-apiserver"
	// logTail is how many bytes of a process's log an error contains.
	logTail = 2 << 10
)

//go:embed audit-policy.yaml
var auditPolicy []byte

// configure prepares e.dir, and configures envtest to keep everything in it.
func (e *Environment) configure(crdDir string) error {
	policy := filepath.Join(e.dir, auditPolicyFile)
	if err := os.WriteFile(policy, auditPolicy, 0o600); err != nil {
		return fmt.Errorf("writing the audit policy: %w", err)
	}
	existing := false
	e.envtest = &envtest.Environment{
		CRDDirectoryPaths:        []string{crdDir},
		ErrorIfCRDPathMissing:    true,
		UseExistingCluster:       &existing,
		ControlPlaneStartTimeout: startTimeout,
	}
	e.envtest.ControlPlane.KubectlPath = filepath.Join(e.Assets, "kubectl")
	return errors.Join(e.configureEtcd(), e.configureAPIServer(policy))
}

func (e *Environment) configureEtcd() error {
	path, log, err := e.process("etcd")
	if err != nil {
		return err
	}
	// envtest adds --unsafe-no-fsync: no data here outlives the process.
	e.envtest.ControlPlane.Etcd = &envtest.Etcd{Path: path, DataDir: filepath.Join(e.dir, "etcd-data"), Out: log, Err: log}
	return nil
}

func (e *Environment) configureAPIServer(policy string) error {
	path, log, err := e.process(apiServer)
	if err != nil {
		return err
	}
	certs := filepath.Join(e.dir, "certificates")
	if err := os.Mkdir(certs, 0o700); err != nil {
		return fmt.Errorf("creating a directory for certificates: %w", err)
	}
	port, err := freePort() // envtest would choose an ephemeral port, which a connection can take while the server is stopped
	if err != nil {
		return err
	}
	server := e.envtest.ControlPlane.GetAPIServer()
	server.SecureServing.Address, server.SecureServing.Port = "127.0.0.1", strconv.Itoa(port)
	server.Path, server.CertDir, server.Out, server.Err = path, certs, log, log
	server.Configure().
		Set("audit-policy-file", policy).
		Set("audit-log-path", filepath.Join(e.dir, auditLogFile)).
		Set("audit-log-mode", "blocking"). // logs a write before it is answered
		Set("audit-log-maxsize", "1024").  // MiB, about a million writes; then the log is rotated
		Set("audit-log-maxbackup", "1")    // keeps one rotated log
	return nil
}

// process prepares a process: it returns the path of its launcher and the file for its output.
func (e *Environment) process(name string) (path string, log *os.File, err error) {
	path, err = e.reaper.launcher(name, filepath.Join(e.Assets, name))
	if err != nil {
		return "", nil, err
	}
	log, err = os.Create(e.logFile(name))
	if err != nil {
		return "", nil, fmt.Errorf("creating the log of %s: %w", name, err)
	}
	e.logs = append(e.logs, log)
	return path, log, nil
}

func (e *Environment) closeLogs() {
	for _, log := range e.logs {
		_ = log.Close() // the processes have their own descriptors
	}
	e.logs = nil
}

func (e *Environment) logFile(name string) string { return filepath.Join(e.dir, name+".log") }

// lastLogLines returns the ends of the logs, which have the cause of a failed start. envtest's error has none.
func (e *Environment) lastLogLines() string {
	var lines strings.Builder
	for _, name := range []string{"etcd", apiServer} {
		log, err := os.ReadFile(e.logFile(name))
		if err != nil {
			continue
		}
		fmt.Fprintf(&lines, "--- end of %s's log\n%s\n", name, log[max(0, len(log)-logTail):])
	}
	return lines.String()
}
