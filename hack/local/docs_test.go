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

// shellBlocks returns the shell blocks of a documentation page between two texts; "" is the page's start or end.
func shellBlocks(t *testing.T, page, from, to string) []string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("..", "..", "docs", page))
	if err != nil {
		t.Fatal(err)
	}
	_, text, found := strings.Cut(string(content), from)
	if !found {
		t.Fatalf("%s does not contain %q", page, from)
	}
	if to != "" {
		if text, _, found = strings.Cut(text, to); !found {
			t.Fatalf("%s does not contain %q", page, to)
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

// skipReason returns why a block cannot be run beside make run; empty when it can.
func skipReason(block string) string {
	for mark, reason := range map[string]string{
		"fituser-system":             "it needs a cluster",
		"# for an operator of yours": "it needs a real secret",
		"# instead of make run":      "it is make run itself",
		"# in a cluster":             "it needs a cluster",
	} {
		if strings.Contains(block, mark) {
			return reason
		}
	}
	if _, err := exec.LookPath("sqlite3"); err != nil && strings.Contains(block, "sqlite3 ") {
		return "sqlite3 is not on this machine"
	}
	return ""
}

// reader pastes commands of the documentation beside make run.
type reader struct {
	*testing.T
	// prelude is the block that a terminal needs once.
	prelude string
	// replacer replaces the documented addresses and paths by those of this run.
	replacer *strings.Replacer
}

func newReader(s *session, state string) *reader {
	metrics := regexp.MustCompile(`metrics +http://(\S+)/metrics`).FindStringSubmatch(s.script)
	webhooks := regexp.MustCompile(`webhooks +http://(\S+)/api/webhooks`).FindStringSubmatch(s.script)
	if metrics == nil || webhooks == nil {
		s.Fatalf("no addresses in\n%s", s.script)
	}
	return &reader{T: s.T, prelude: s.blocks()[0], replacer: strings.NewReplacer(
		metricsAddress, metrics[1], webhookAddress, webhooks[1], ".local/", shellQuote(state)+"/",
	)}
}

// noOutputMark is in blocks that search for problems.
const noOutputMark = "# shows nothing when all is well"

// run runs a block, and repeats it when it fails: what it shows may need a moment.
func (r *reader) run(block string) {
	r.Helper()
	script := r.prelude + "\n" + r.replacer.Replace(block)
	if strings.Contains(block, noOutputMark) {
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

// Every documented command for make run works unchanged.
func TestDocs_CommandsWork(t *testing.T) {
	type section struct{ page, from, to string }
	for name, run := range map[string]struct {
		environ  []string
		pasted   int // how many blocks of the script come first
		sections []section
	}{
		"default": {nil, 4, []section{
			{"conditions.md", "", ""}, {"table.md", "", ""}, {"questions.md", "", ""}, {"troubleshooting.md", "", ""}, {"sweep.md", "", "\n## An import"},
		}},
		"with a delay": {[]string{"FITUSER_DELETION_DELAY=168h"}, 1, []section{
			{"sweep.md", "\n## One mistaken deletion in Clerk", "\n## Settings"},
		}},
		"with a low limit": {[]string{"FITUSER_LOCAL_USERS=30", "FITUSER_MAX_DELETIONS=2"}, 1, []section{
			{"sweep.md", "\n## Deferred deletions", "\n## One mistaken deletion in Clerk"},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			state := stateDir(t)
			s := start(t, state, run.environ...)
			shell := openTerminal(t)
			for _, block := range s.blocks()[:run.pasted] {
				shell.paste(block)
			}
			reader := newReader(s, state)
			for _, section := range run.sections {
				for _, block := range shellBlocks(t, section.page, section.from, section.to) {
					if reason := skipReason(block); reason != "" {
						t.Logf("%s: skipped, because %s: %.60q…", section.page, reason, block)
						continue
					}
					reader.run(block)
				}
			}
			s.end(os.Interrupt)
		})
	}
}
