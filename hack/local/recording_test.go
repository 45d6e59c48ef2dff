package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"
)

// recordingFile, when set, is where TestScript writes what a newcomer sees, as an asciicast. README.md shows it as a picture:
//
//	FITUSER_TEST_RECORDING=/tmp/session.cast go test ./hack/local -run 'TestScript$'
//	npx svg-term-cli@2.1.1 --window --in /tmp/session.cast --out docs/images/session.svg
const recordingFile = "FITUSER_TEST_RECORDING"

// recording is a terminal session in the making, as https://docs.asciinema.org/manual/asciicast/v2/ has it. Commands and
// outputs are real; the pauses are a reader's, because the machine needs none.
type recording struct {
	cast strings.Builder
	at   time.Duration
}

const (
	recordingColumns, recordingLines = 118, 31
	pauseForAnOutput                 = 300 * time.Millisecond
	pauseForALine                    = 150 * time.Millisecond
	pauseForABlock                   = 3 * time.Second

	clearScreen, dim, green, plain = "\x1b[2J\x1b[H", "\x1b[2m", "\x1b[32m", "\x1b[0m"
)

func newRecording() *recording {
	r := &recording{}
	r.line(map[string]int{"version": 2, "width": recordingColumns, "height": recordingLines})
	return r
}

// paste runs a block's commands one by one, so that each is followed by what it printed.
func (r *recording) paste(shell *terminal, block string) (output string) {
	r.show(clearScreen, 0)
	for _, command := range commandsOf(block) {
		if strings.HasPrefix(command, "#") {
			r.show(dim+command+plain+"\n", pauseForALine)
			continue
		}
		r.show(green+"$ "+plain+command+"\n", pauseForAnOutput)
		printed := shell.paste(command)
		r.show(printed, time.Duration(strings.Count(printed, "\n"))*pauseForALine)
		output += printed
	}
	r.at += pauseForABlock
	return output
}

// show writes text at once, and waits then.
func (r *recording) show(text string, pause time.Duration) {
	r.line([]any{r.at.Seconds(), "o", strings.ReplaceAll(text, "\n", "\r\n")})
	r.at += pause
}

func (r *recording) line(content any) {
	encoded, _ := json.Marshal(content) // numbers and texts only
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

// commandsOf splits a block into its commands and comments. What is between <<END and END belongs to the command before.
func commandsOf(block string) []string {
	var commands []string
	within := false
	for _, line := range strings.Split(strings.TrimSpace(block), "\n") {
		if within {
			commands[len(commands)-1] += "\n" + line
			within = line != "END"
			continue
		}
		commands = append(commands, line)
		within = strings.Contains(line, "<<END")
	}
	return commands
}
