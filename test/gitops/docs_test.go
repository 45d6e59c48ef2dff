package gitops

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fitai/fituser-operator/api/v1alpha1"
)

var documentedCommand = regexp.MustCompile("(?s)```sh\n(.*?)```|`(manager [^`]+)`")

// reader pastes the commands of a page into a shell, in a folder.
type reader struct {
	*system
	dir   string
	names []string // what to replace in the commands besides the namespace, in pairs
}

// run runs a block, which must succeed, and returns its output.
func (r *reader) run(block string) string {
	r.Helper()
	output, code := r.try(block)
	if code != 0 {
		r.Errorf("exit code %d of\n%s\nafter\n%s", code, block, output)
	}
	return output
}

// try runs a block and returns its output and exit code. The page's namespace is the operator's here.
func (r *reader) try(block string) (output string, code int) {
	r.Helper()
	program, err := manager()
	ok(r, err)
	// kubectl diff exits with 1 when something would change.
	script := `kubectl() { local code=0; command kubectl "$@" || code=$?; [ "$1.$code" = diff.1 ] || return $code; }` + "\n" +
		strings.NewReplacer(append([]string{operatorNamespace, r.namespace}, r.names...)...).Replace(block)
	command := exec.CommandContext(r.Context(), "bash", "-e", "-o", "pipefail", "-c", script)
	command.Dir = r.dir
	command.Env = append(append(os.Environ(), r.settings...),
		"PATH="+r.env.Assets+":"+filepath.Dir(program)+":"+os.Getenv("PATH"), "KUBECACHEDIR="+filepath.Dir(r.kubeconfig))
	out, err := command.CombinedOutput()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		r.Fatal(err)
	}
	return string(out), command.ProcessState.ExitCode()
}

// blocks returns the shell blocks of a page, and the commands of the manager in its text.
func blocks(t testing.TB, page string) []string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(root, "docs", page))
	ok(t, err)
	var found []string
	for _, command := range documentedCommand.FindAllStringSubmatch(string(content), -1) {
		found = append(found, command[1]+command[2])
	}
	if len(found) == 0 {
		t.Fatalf("%s has no commands", page)
	}
	return found
}

// yamlBlock returns the YAML block of a page that starts with this text.
func yamlBlock(t testing.TB, page, start string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(root, "docs", page))
	ok(t, err)
	block := regexp.MustCompile("(?s)```yaml\n(" + regexp.QuoteMeta(start) + ".*?)```").FindSubmatch(content)
	if block == nil {
		t.Fatalf("%s has no YAML that starts with %q", page, start)
	}
	return string(block[1])
}

// Every command of docs/gitops.md works in a copy of the sample, in the order of the page.
func TestDocs_CommandsOfGitOpsPage(t *testing.T) {
	s := newSystem(t)
	s.start()
	repository := newRepository(t, s.namespace)
	olivia := s.signUp(repository.people(s.env.Assets)["olivia-owner"])
	r := &reader{system: s, dir: repository.dir}
	commands := blocks(t, "gitops.md")
	want := []string{"olivia-owner condition met", "0 role changes", "changed from client to admin", olivia}
	if len(commands) != len(want) {
		t.Fatalf("%d blocks, want %d", len(commands), len(want))
	}
	for i, block := range commands {
		if output := r.run(block); !strings.Contains(output, want[i]) {
			t.Errorf("no %q in the output of\n%s\n%s", want[i], block, output)
		}
	}

	repository.remove("base/olivia-owner.yaml")
	if output, code := r.try(commands[1]); code != 2 || !strings.Contains(output, v1alpha1.ReasonLastAdmin) {
		t.Errorf("the plan without the last admin exits with %d:\n%s", code, output)
	}
}

// The commands of docs/argocd/README.md add keys to Argo CD's ConfigMap and leave the others alone.
func TestDocs_CommandsOfArgoCDPage(t *testing.T) {
	config := configureArgo(newSystem(t))
	script, err := os.ReadFile(filepath.Join(root, "docs", "argocd", "health.lua"))
	ok(t, err)
	ignored := "jsonPointers:\n  - /metadata/annotations/identity.fitai.dev~1hint\n"
	if diff := cmp.Diff(map[string]string{
		"url": "https://argocd.example.com",
		"resource.customizations.health.identity.fitai.dev_FitUser":                string(script),
		"resource.customizations.ignoreResourceUpdates.identity.fitai.dev_FitUser": ignored,
	}, config.Data); diff != "" {
		t.Errorf("Argo CD's ConfigMap (-want +got):\n%s", diff)
	}
}
