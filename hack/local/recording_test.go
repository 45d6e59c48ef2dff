package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"
)

// recordingFile names the file to which TestScript_CommandsWork writes the session as an asciicast. README.md shows it as
// a picture:
//
//	FITUSER_TEST_RECORDING=/tmp/session.cast go test ./hack/local -run TestScript_CommandsWork
//	npx svg-term-cli@2.1.1 --window --in /tmp/session.cast --out docs/images/session.svg
const recordingFile = "FITUSER_TEST_RECORDING"

// recording builds a terminal session in the format https://docs.asciinema.org/manual/asciicast/v2/. Commands and outputs
// are real; the pauses are for the reader.
type recording struct {
	cast strings.Builder
	at   time.Duration
}

const (
	recordingColumns, recordingLines = 118, 31
	outputPause                      = 300 * time.Millisecond
	linePause                        = 150 * time.Millisecond
	blockPause                       = 3 * time.Second

	clearScreen, dim, green, plain = "\x1b[2J\x1b[H", "\x1b[2m", "\x1b[32m", "\x1b[0m"
)

func newRecording() *recording {
	r := &recording{}
	r.line(map[string]int{"version": 2, "width": recordingColumns, "height": recordingLines})
	return r
}

// paste runs a block's commands one by one, so that each is followed by its output.
func (r *recording) paste(shell *terminal, block string) (output string) {
	r.show(clearScreen, 0)
	for _, command := range commandsOf(block) {
		if strings.HasPrefix(command, "#") {
			r.show(dim+command+plain+"\n", linePause)
			continue
		}
		r.show(green+"$ "+plain+command+"\n", outputPause)
		printed := shell.paste(command)
		r.show(printed, time.Duration(strings.Count(printed, "\n"))*linePause)
		output += printed
	}
	r.at += blockPause
	return output
}

// show writes text, and then pauses.
func (r *recording) show(text string, pause time.Duration) {
	r.line([]any{r.at.Seconds(), "o", strings.ReplaceAll(text, "\n", "\r\n")})
	r.at += pause
}

func (r *recording) line(content any) {
	encoded, _ := json.Marshal(content) // only numbers and strings
	r.cast.Write(append(encoded, '\n'))
}

func (r *recording) save(t *testing.T) {
	t.Helper()
	if file := os.Getenv(recordingFile); file != "" {
		r.show("", 0) // the last pause
		if err := os.WriteFile(file, []byte(r.cast.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// commandsOf splits a block into its commands and comments. The lines from <<END to END belong to one command.
func commandsOf(block string) []string {
	var commands []string
	inHeredoc := false
	for _, line := range strings.Split(strings.TrimSpace(block), "\n") {
		if inHeredoc {
			commands[len(commands)-1] += "\n" + line
			inHeredoc = line != "END"
			continue
		}
		commands = append(commands, line)
		inHeredoc = strings.Contains(line, "<<END")
	}
	return commands
}
