package main

import (
	"io"
	"os"
	"regexp"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// The sample workflow is YAML, and its command line is one that the program accepts.
func TestPlan_SampleWorkflow(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile("../config/samples/github/plan.yaml")
	ok(t, err)
	var workflow struct {
		Permissions map[string]string
		Jobs        map[string]struct {
			Steps []struct{ Name, Uses, Run string }
		}
	}
	ok(t, yaml.Unmarshal(content, &workflow))
	if len(workflow.Permissions) != 2 || workflow.Permissions["contents"] != "read" || workflow.Permissions["pull-requests"] != "write" {
		t.Errorf("permissions: %v", workflow.Permissions)
	}
	var commands []string
	for _, step := range workflow.Jobs["plan"].Steps {
		if step.Uses != "" && !regexp.MustCompile(`^actions/\w+@v\d+$`).MatchString(step.Uses) {
			t.Errorf("the action %s is not pinned by major version", step.Uses)
		}
		joined := strings.ReplaceAll(step.Run, "\\\n", " ")
		commands = append(commands, regexp.MustCompile(`(?m)"\$IMAGE"\s+(plan .*?) >`).FindAllString(joined, -1)...)
	}
	if len(commands) != 1 {
		t.Fatalf("%d command lines", len(commands))
	}
	args := strings.Fields(strings.Trim(strings.TrimPrefix(commands[0], `"$IMAGE"`), " >"))
	line, command, err := parseCommandLine(args, environmentOf(nil), io.Discard)
	ok(t, err)
	if command.Command() != "plan" || !line.Plan.Offline || line.Plan.Output != "markdown" || line.Plan.PruneSelector == "" || line.StatusProfile != "masked" {
		t.Errorf("%s %+v", command.Command(), line.Plan)
	}
}

func TestPlan_CommandLine(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"plan --offline":                                 "--offline needs --manifests",
		"plan --prune-selector=a=b":                      "--prune-selector needs --manifests",
		"plan -o markdown":                               "--output=markdown needs --manifests",
		"plan --manifests=. --prune-selector=a=(":        "--prune-selector: ",
		"plan --manifests=. --prune-selector=,":          "--prune-selector: ",
		"plan --manifests=- -o markdown --offline":       "",
		"plan --manifests=. --prune-selector=a in (b,c)": "unexpected argument",
	} {
		_, _, err := parseCommandLine(strings.Fields(args), environmentOf(nil), io.Discard)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v", args, err)
		}
	}
	var help strings.Builder
	_, _, err := parseCommandLine([]string{"plan", "--help"}, environmentOf(nil), &help)
	if err == nil || !strings.Contains(strings.Join(strings.Fields(help.String()), " "), "Exit status: 0; 1 for an error") {
		t.Errorf("%v\n%s", err, help.String())
	}
}
