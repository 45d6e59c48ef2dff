package soak

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// canary is part of every personal and every secret value, so that a leak is found by searching for it.
const canary = "Quaxelroth"

// signingSecret returns the n-th signing secret of the webhooks.
func signingSecret(n int) string {
	return "whsec_" + base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "%s%026d", canary, n))
}

// secretKey returns the n-th secret key of a manager. Each manager has its own keys, which identify its writes.
func secretKey(manager, n int) string { return fmt.Sprintf("sk_test_%s_%d_%d", canary, manager, n) }

// ownerOf returns the manager that has the secret key, or -1.
func ownerOf(key string) (manager int) {
	var n int
	if _, err := fmt.Sscanf(strings.TrimPrefix(key, "sk_test_"+canary), "_%d_%d", &manager, &n); err != nil {
		return -1
	}
	return manager
}

// credentials are the credentials in use, and the files from which the managers read them.
type credentials struct {
	rotations  int
	secrets    []string // the valid signing secrets
	secretFile string
	keys       []string // the secret key of each manager
	keyFiles   []string
}

func newCredentials(tb testing.TB, managers int) *credentials {
	tb.Helper()
	dir := tb.TempDir()
	c := &credentials{secrets: []string{signingSecret(0)}, secretFile: filepath.Join(dir, "secret")}
	replace(tb, c.secretFile, c.secrets[0])
	for i := range managers {
		c.keys = append(c.keys, secretKey(i, 0))
		c.keyFiles = append(c.keyFiles, filepath.Join(dir, fmt.Sprint("key", i)))
		replace(tb, c.keyFiles[i], c.keys[i])
	}
	return c
}

// rotateKeys gives each manager a new secret key. Clerk accepts the old keys until finish is called.
func (w *world) rotateKeys() (finish func()) {
	w.Helper()
	c := w.credentials
	c.rotations++
	old := append([]string{}, c.keys...)
	for i := range c.keys {
		c.keys[i] = secretKey(i, c.rotations)
	}
	w.clerk.SetSecretKeys(append(old, c.keys...)...)
	for i, file := range c.keyFiles {
		replace(w, file, c.keys[i])
	}
	return func() { w.clerk.SetSecretKeys(c.keys...) }
}

// rotateSecret makes Clerk sign with the old and a new secret, and with the new one only after finish is called.
func (w *world) rotateSecret() (finish func()) {
	w.Helper()
	c := w.credentials
	c.rotations++
	next := signingSecret(c.rotations)
	both := append(append([]string{}, c.secrets...), next)
	replace(w, c.secretFile, strings.Join(both, ","))
	w.sign(both)
	return func() {
		c.secrets = []string{next}
		w.sign(c.secrets)
		replace(w, c.secretFile, next)
	}
}

func (w *world) sign(secrets []string) {
	w.Helper()
	if err := w.sender.SetSecrets(secrets...); err != nil {
		w.Fatal(err)
	}
}

// replace replaces a file atomically, as Kubernetes does.
func replace(tb testing.TB, file, content string) {
	tb.Helper()
	next := file + ".next"
	if err := os.WriteFile(next, []byte(content+"\n"), 0o600); err != nil {
		tb.Fatal(err)
	}
	if err := os.Rename(next, file); err != nil {
		tb.Fatal(err)
	}
}
