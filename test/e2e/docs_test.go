//go:build e2e

package e2e

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// skipReasons maps parts of commands that cannot run here to the reason.
var skipReasons = map[string]string{
	"overlays/production": "it needs an overlay of the reader",
	"(your host)":         "it needs a public host",
	"sk_live_":            "it needs a real secret",
	"whsec_":              "it needs a real secret",
	"ca.crt":              "it needs a real certificate",
	"kind load":           "it needs kind",
	"--replicas=0":        "it stops the operator",
}

var (
	shellBlock   = regexp.MustCompile("(?s)```sh\n(.*?)```")
	tableCommand = regexp.MustCompile("(?m)^\\| `(kubectl [^`]*)` \\|")
)

// documentedCommands runs the commands in docs/ that are for a cluster, with the names of this deployment.
func (w *world) documentedCommands() {
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil || len(pages) == 0 {
		w.Fatalf("finding the pages: %v", err)
	}
	ran := 0
	for _, page := range pages {
		for _, command := range w.commandsOf(page) {
			if reason := skipReason(command); reason != "" {
				w.Logf("%s: skipped, because %s: %.60q…", filepath.Base(page), reason, command)
				continue
			}
			w.paste(command)
			ran++
		}
	}
	w.kubectl("delete", "clusterrolebinding", prefix+"fituser-prometheus") // a command of docs/deploy.md created it
	w.Logf("%d documented commands run", ran)
	if ran < 15 {
		w.Errorf("found only %d documented commands", ran)
	}
}

// commandsOf returns the commands of a page that are for a cluster. A test of hack/local runs the others beside make run.
func (w *world) commandsOf(page string) (commands []string) {
	w.Helper()
	content, err := os.ReadFile(page)
	if err != nil {
		w.Fatal(err)
	}
	for _, pattern := range []*regexp.Regexp{shellBlock, tableCommand} {
		for _, found := range pattern.FindAllStringSubmatch(string(content), -1) {
			command := found[1]
			forCluster := filepath.Base(page) == "deploy.md" || strings.Contains(command, "fituser-system") || strings.Contains(command, "# in a cluster")
			if forCluster && strings.Contains(command, "kubectl ") {
				commands = append(commands, command)
			}
		}
	}
	return commands
}

// skipReason returns why a command cannot run here; "" when it can.
func skipReason(command string) string {
	for part, reason := range skipReasons {
		if strings.Contains(command, part) {
			return reason
		}
	}
	return ""
}

// paste runs a documented command. A grep that finds nothing is not an error.
func (w *world) paste(command string) {
	w.Helper()
	replacer := strings.NewReplacer(
		"fituser-system", w.namespace, "user_…", w.jane,
		"deployment/fituser-", "deployment/"+prefix+"fituser-", "deploy/fituser-", "deploy/"+prefix+"fituser-",
		"=fituser-webhook", "="+prefix+"fituser-webhook", "policy fituser-", "policy "+prefix+"fituser-",
		"binding fituser-", "binding "+prefix+"fituser-", "clusterrole=fituser-", "clusterrole="+prefix+"fituser-",
	)
	script := `kubectl() { command kubectl -n ` + w.namespace + ` "$@"; }
grep() { command grep "$@" || [ $? = 1 ]; }
` + replacer.Replace(command)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if output, err := exec.CommandContext(ctx, "bash", "-e", "-o", "pipefail", "-c", script).CombinedOutput(); err != nil {
		w.Errorf("%v in\n%s\nafter\n%s", err, command, output)
	}
}
