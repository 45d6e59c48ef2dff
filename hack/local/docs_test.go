package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// commands are the shell blocks of a documentation page from one heading to another, both included; "" is the page's start
// and its end.
func commands(t *testing.T, page, from, to string) []string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("..", "..", "docs", page))
	if err != nil {
		t.Fatal(err)
	}
	_, text, found := strings.Cut(string(content), from)
	if !found {
		t.Fatalf("%s has no heading %q", page, from)
	}
	if to != "" {
		if text, _, found = strings.Cut(text, to); !found {
			t.Fatalf("%s has no heading %q", page, to)
		}
	}
	var blocks []string
	for _, block := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(text, -1) {
		blocks = append(blocks, block[1])
	}
	if len(blocks) == 0 {
		t.Fatalf("%s has no commands", page)
	}
	return blocks
}

// elsewhere reports why a block cannot be run beside make run; empty when it can.
func elsewhere(block string) string {
	for mark, why := range map[string]string{
		"fituser-system":             "it needs a cluster",
		"# for an operator of yours": "it needs a secret of one's own",
		"# instead of make run":      "it is make run itself",
		"# in a cluster":             "it needs a cluster",
	} {
		if strings.Contains(block, mark) {
			return why
		}
	}
	if _, err := exec.LookPath("sqlite3"); err != nil && strings.Contains(block, "sqlite3 ") {
		return "sqlite3 is not on this machine"
	}
	return ""
}

// reader is somebody who reads the documentation beside make run and pastes what stands there.
type reader struct {
	*testing.T
	// prelude is what was pasted once in the terminal.
	prelude string
	// own are the addresses and paths of this run for those that are documented.
	own *strings.Replacer
}

func newReader(s *session, state string) *reader {
	metrics := regexp.MustCompile(`metrics +http://(\S+)/metrics`).FindStringSubmatch(s.script)
	webhooks := regexp.MustCompile(`webhooks +http://(\S+)/api/webhooks`).FindStringSubmatch(s.script)
	if metrics == nil || webhooks == nil {
		s.Fatalf("no addresses in\n%s", s.script)
	}
	return &reader{T: s.T, prelude: s.blocks()[0], own: strings.NewReplacer(
		metricsAddress, metrics[1], webhookAddress, webhooks[1], ".local/", shellQuote(state)+"/",
	)}
}

// wellMark stands in blocks that look for trouble.
const wellMark = "# shows nothing when all is well"

// try runs a block. What it shows may need a moment to be there.
func (r *reader) try(block string) {
	r.Helper()
	script := r.prelude + "\n" + r.own.Replace(block)
	if strings.Contains(block, wellMark) {
		script = `grep() { command grep "$@" || [ $? = 1 ]; }; ` + script // it may find nothing
	}
	for limit := time.Now().Add(time.Minute); ; {
		ctx, cancel := context.WithTimeout(r.Context(), 2*time.Minute)
		output, err := exec.CommandContext(ctx, "bash", "-e", "-o", "pipefail", "-c", script).CombinedOutput()
		cancel()
		if err == nil {
			return
		}
		if time.Now().After(limit) {
			r.Errorf("%v in\n%s\nafter\n%s", err, block, output)
			return
		}
	}
}

// Every command of the pages that are read beside make run works as it stands there.
func TestDocumentedCommands(t *testing.T) {
	type section struct{ page, from, to string }
	for name, run := range map[string]struct {
		environ  []string
		pasted   int // blocks of the script that come first
		sections []section
	}{
		"as it comes": {nil, 4, []section{
			{"conditions.md", "", ""}, {"questions.md", "", ""}, {"troubleshooting.md", "", ""}, {"sweep.md", "", "\n## An import"},
		}},
		"with a low limit": {[]string{"FITUSER_LOCAL_USERS=30", "FITUSER_MAX_DELETIONS=2"}, 1, []section{
			{"sweep.md", "\n## Deferred deletions", "\n## Settings"},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			state := roomFor(t)
			s := start(t, state, run.environ...)
			shell := open(t)
			for _, block := range s.blocks()[:run.pasted] {
				shell.paste(block)
			}
			reader := newReader(s, state)
			for _, section := range run.sections {
				for _, block := range commands(t, section.page, section.from, section.to) {
					if why := elsewhere(block); why != "" {
						t.Logf("%s: not run, because %s: %.60q…", section.page, why, block)
						continue
					}
					reader.try(block)
				}
			}
			s.end(os.Interrupt)
		})
	}
}
