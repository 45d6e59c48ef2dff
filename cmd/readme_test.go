package main

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/google/go-cmp/cmp"

	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
	"github.com/fitai/fituser-operator/internal/settings"
)

func readme(t *testing.T) string {
	t.Helper()
	content, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// rowsOf returns the table rows whose first cell begins with prefix.
func rowsOf(t *testing.T, prefix string) []string {
	t.Helper()
	return regexp.MustCompile("(?m)^\\| `"+prefix+".*$").FindAllString(readme(t), -1)
}

func TestReadme_ListsEveryFlag(t *testing.T) {
	t.Parallel()
	var want []string
	for _, flag := range flags(t) {
		want = append(want, readmeRow(flag))
	}
	if diff := cmp.Diff(want, rowsOf(t, "--")); diff != "" {
		t.Errorf("README.md is not up to date (-flags +README.md):\n%s\nIts rows must be:\n%s", diff, strings.Join(want, "\n"))
	}
}

// readmeRow returns the README's row of a flag. The default has its own column, so it is cut from the help.
func readmeRow(flag *kong.Flag) string {
	help, described, _ := strings.Cut(flag.Help, " Default: ")
	help = strings.TrimSuffix(regexp.MustCompile(` \(default: [^)]*\)\.$`).ReplaceAllString(help, ""), ".")
	byDefault := strings.TrimSuffix(described, ".")
	switch {
	case flag.Default != "":
		byDefault = "`" + flag.Default + "`"
	case flag.IsBool():
		byDefault = "`false`"
	}
	return "| `--" + flag.Name + "` | " + byDefault + " | " + strings.ReplaceAll(help, "|", `\|`) + " |"
}

func TestReadme_ListsEveryVariable(t *testing.T) {
	t.Parallel()
	values := map[string]string{
		"CLERK_SECRET_KEY": clerktest.DefaultSecretKey, "CLERK_WEBHOOK_SECRET": webhookSecret, "DATABASE_URL": "sqlite:users.db",
	}
	read := map[string]bool{}
	_, err := settings.Read(settings.Parts{Receiver: true, Controller: true}, func(name string) string {
		read[strings.TrimSuffix(name, "_FILE")] = true
		return values[name]
	})
	if err != nil {
		t.Fatal(err)
	}
	var listed []string
	for _, row := range rowsOf(t, "[A-Z]") {
		listed = append(listed, strings.Split(row, "`")[1])
	}
	for name := range read {
		if !slices.Contains(listed, name) {
			t.Errorf("README.md does not list %s", name)
		}
	}
	if len(listed) != len(read) {
		t.Errorf("README.md lists %v; the program reads %v", listed, read)
	}
}

func TestReadme_ListsWhatEachPartNeeds(t *testing.T) {
	t.Parallel()
	for part, parts := range map[string]settings.Parts{"receiver": {Receiver: true}, "controller": {Controller: true}} {
		_, err := settings.Read(parts, environmentOf(nil))
		if err == nil {
			t.Fatalf("the %s starts without settings", part)
		}
		for _, row := range rowsOf(t, "[A-Z]") {
			cells := strings.Split(row, "|")
			name, needed := strings.Trim(cells[1], " `"), strings.Contains(cells[2], part)
			if needed != strings.Contains(err.Error(), name+" is not set") {
				t.Errorf("README.md lists %s as needed by%s; the error of the %s is: %v", name, cells[2], part, err)
			}
		}
	}
}
