package main

import (
	"bytes"
	"io"
	"os/exec"
	"strings"
	"testing"
)

func TestListen_TakenPortIsReplaced(t *testing.T) {
	t.Parallel()
	first, err := listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = first.Close() }()
	second, err := listen(t.Context(), first.Addr().String())
	if err != nil {
		t.Fatalf("a taken port must not fail: %v", err)
	}
	if err := second.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestShellQuote_KeepsEveryText(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "plain/path-1.2_3", "two words", "it's", "$HOME `id` \\ \"", "~", "*", "ü", "a\nb", "-n"} {
		word, err := exec.CommandContext(t.Context(), "sh", "-c", "printf %s "+shellQuote(text)).Output()
		if err != nil || string(word) != text {
			t.Errorf("sh reads %q instead of %q: %v", word, text, err)
		}
	}
	if got := shellQuote("/a/b"); got != "/a/b" {
		t.Errorf("%s is quoted without need", got)
	}
}

func TestConsole_PrintsOperatorLogBelowScript(t *testing.T) {
	t.Parallel()
	var terminal bytes.Buffer
	c := newConsole(&terminal)
	w := c.operatorLog()
	write := func(text string) {
		if _, err := io.WriteString(w, text); err != nil {
			t.Fatal(err)
		}
	}
	write(`{"level":"info","msg":"before the script"}` + "\n")
	c.printScript("the script\n")
	write(`{"level":"info","ts":"2026-11-23T02:37:24Z","logger":"receiver","msg":"recorded","type":"user.created","n":2}` + "\n" + `{"level":"er`)
	write(`ror","msg":"Reconciler error","error":"no \"way\"","stacktrace":"a\nb"}` + "\n" + "panic: {}\nunfinished")
	got := make([]string, 0, 4)
	for line := range strings.Lines(terminal.String()) {
		_, text, found := strings.Cut(line, "operator ")
		if !found {
			text = line
		}
		got = append(got, text)
	}
	want := []string{
		"the script\n", "recorded n=2 type=user.created\n", "error: Reconciler error error=no \"way\"\n", "panic: {}\n",
	}
	if strings.Join(got, "") != strings.Join(want, "") {
		t.Errorf("printed %q, want %q", got, want)
	}
}

func TestPrintRows_NeedsDatabase(t *testing.T) {
	t.Parallel()
	if err := printRows(t.Context(), io.Discard, ""); err == nil || !strings.Contains(err.Error(), "DATABASE_URL is not set") {
		t.Errorf("error %v", err)
	}
	if err := printRows(t.Context(), io.Discard, "sqlite:"+t.TempDir()+"/none"); err == nil {
		t.Error("a missing file caused no error, or was created")
	}
}
