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

// ownHands are parts of the commands that nobody can run for the reader, and why.
var ownHands = map[string]string{
	"overlays/production": "it needs an overlay of one's own",
	"(your host)":         "it needs a public host",
	"sk_live_":            "it needs a secret of one's own",
	"whsec_":              "it needs a secret of one's own",
	"ca.crt":              "it needs a certificate of one's own",
	"kind load":           "it needs kind",
	"--replicas=0":        "it stops the operator",
}

var (
	shellBlock   = regexp.MustCompile("(?s)```sh\n(.*?)```")
	tableCommand = regexp.MustCompile("(?m)^\\| `(kubectl [^`]*)` \\|")
)

// documentedCommands runs what docs/ says of a cluster, as it stands there but for the names of this deployment.
func (w *world) documentedCommands() {
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil || len(pages) == 0 {
		w.Fatalf("finding the pages: %v", err)
	}
	ran := 0
	for _, page := range pages {
		for _, command := range w.commandsOf(page) {
			if why := byOneself(command); why != "" {
				w.Logf("%s: not run, because %s: %.60q…", filepath.Base(page), why, command)
				continue
			}
			w.paste(command)
			ran++
		}
	}
	w.kubectl("delete", "clusterrolebinding", prefix+"fituser-prometheus") // docs/deploy.md has made it
	w.Logf("%d documented commands run", ran)
	if ran < 15 {
		w.Errorf("only %d documented commands were found", ran)
	}
}

// commandsOf are the commands of a page that are for a cluster. The others are for make run, where another test runs them.
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

// byOneself says why a command cannot be run here; empty when it can.
func byOneself(command string) string {
	for part, why := range ownHands {
		if strings.Contains(command, part) {
			return why
		}
	}
	return ""
}

// paste runs a documented command. One that looks for trouble may find none.
func (w *world) paste(command string) {
	w.Helper()
	own := strings.NewReplacer(
		"fituser-system", w.namespace, "user_…", w.jane,
		"deployment/fituser-", "deployment/"+prefix+"fituser-", "deploy/fituser-", "deploy/"+prefix+"fituser-",
		"=fituser-webhook", "="+prefix+"fituser-webhook", "policy fituser-", "policy "+prefix+"fituser-",
		"binding fituser-", "binding "+prefix+"fituser-", "clusterrole=fituser-", "clusterrole="+prefix+"fituser-",
	)
	script := `kubectl() { command kubectl -n ` + w.namespace + ` "$@"; }
grep() { command grep "$@" || [ $? = 1 ]; }
` + own.Replace(command)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if output, err := exec.CommandContext(ctx, "bash", "-e", "-o", "pipefail", "-c", script).CombinedOutput(); err != nil {
		w.Errorf("%v in\n%s\nafter\n%s", err, command, output)
	}
}
