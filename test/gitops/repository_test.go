package gitops

import (
	"bytes"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/fitai/fituser-operator/api/v1alpha1"
)

// operatorNamespace is the namespace in the sample and in the pages.
const operatorNamespace = "fituser-system"

// repository is a Git repository with a copy of config/samples/gitops, for an operator in another namespace.
type repository struct {
	testing.TB
	dir string
	url string // serves the archive of each commit as /COMMIT.tar.gz
}

func newRepository(t testing.TB, namespace string) *repository {
	t.Helper()
	r := &repository{TB: t, dir: t.TempDir()}
	ok(t, os.CopyFS(r.dir, os.DirFS(filepath.Join(root, "config", "samples", "gitops"))))
	ok(t, filepath.WalkDir(r.dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		r.replace(path, operatorNamespace, namespace)
		return nil
	}))
	r.git("init", "--quiet", "--initial-branch=main")
	server := httptest.NewServer(http.HandlerFunc(r.serve))
	t.Cleanup(server.Close)
	r.url = server.URL
	r.commit()
	return r
}

// replace replaces a text in a file, by its path or its path in the repository.
func (r *repository) replace(path, old, replacement string) {
	r.Helper()
	if !filepath.IsAbs(path) {
		path = filepath.Join(r.dir, path)
	}
	content, err := os.ReadFile(path)
	ok(r, err)
	ok(r, os.WriteFile(path, bytes.ReplaceAll(content, []byte(old), []byte(replacement)), 0o600))
}

// write writes a new file and lists it in the kustomization of its folder.
func (r *repository) write(path, content string) {
	r.Helper()
	ok(r, os.WriteFile(filepath.Join(r.dir, path), []byte(content), 0o600))
	list := filepath.Join(filepath.Dir(path), "kustomization.yaml")
	r.replace(list, "resources:\n", "resources:\n  - "+filepath.Base(path)+"\n")
}

// remove removes a file, and its line in the kustomization of its folder.
func (r *repository) remove(path string) {
	r.Helper()
	ok(r, os.Remove(filepath.Join(r.dir, path)))
	r.replace(filepath.Join(filepath.Dir(path), "kustomization.yaml"), "  - "+filepath.Base(path)+"\n", "")
}

// commit commits all changes and returns the commit.
func (r *repository) commit() string {
	r.Helper()
	r.git("add", "--all")
	r.git("commit", "--quiet", "--allow-empty", "--message=Change roles")
	return strings.TrimSpace(string(r.git("rev-parse", "HEAD")))
}

// archive returns a commit as Flux's source-controller serves it.
func (r *repository) archive(commit string) []byte {
	r.Helper()
	return r.git("archive", "--format=tar.gz", commit)
}

func (r *repository) serve(response http.ResponseWriter, request *http.Request) {
	commit := strings.TrimSuffix(strings.TrimPrefix(request.URL.Path, "/"), ".tar.gz")
	_, _ = response.Write(r.archive(commit))
}

// render renders the overlay for production.
func (r *repository) render(assets string) string {
	r.Helper()
	overlay := filepath.Join(r.dir, "overlays", "production")
	out, err := exec.CommandContext(r.Context(), filepath.Join(assets, "kubectl"), "kustomize", overlay).Output()
	ok(r, err)
	return string(out)
}

// people returns the addresses in the sample, by the name of the FitUser.
func (r *repository) people(assets string) map[string]string {
	r.Helper()
	people := map[string]string{}
	for document := range strings.SplitSeq(r.render(assets), "---\n") {
		u := &v1alpha1.FitUser{}
		ok(r, yaml.UnmarshalStrict([]byte(document), u))
		people[u.Name] = u.Spec.Email
	}
	return people
}

func (r *repository) git(args ...string) []byte {
	r.Helper()
	command := exec.CommandContext(r.Context(), "git", args...)
	command.Dir = r.dir
	command.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null",
		"GIT_AUTHOR_NAME=Maintainer", "GIT_AUTHOR_EMAIL=maintainer@example.com",
		"GIT_COMMITTER_NAME=Maintainer", "GIT_COMMITTER_EMAIL=maintainer@example.com")
	var stderr bytes.Buffer
	command.Stderr = &stderr
	out, err := command.Output()
	if err != nil {
		r.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return out
}
