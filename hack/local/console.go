package main

import (
	"bytes"
	"fmt"
	"io"
	"log"
	"sync/atomic"
	"time"

	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
)

// console is the terminal. Events of the background are shown only below the script: above it, they would bury what
// there is to try.
type console struct {
	lines    *log.Logger // whole lines, from several goroutines
	showsAll atomic.Bool
}

func newConsole(w io.Writer) *console { return &console{lines: log.New(w, "", 0)} }

func (c *console) say(format string, args ...any) { c.lines.Printf(format, args...) }

// introduce prints the script. From then on, events are shown.
func (c *console) introduce(text string) {
	c.lines.Print(text)
	c.showsAll.Store(true)
}

// conclude ends what introduce began: how everything ends is only in the log.
func (c *console) conclude() {
	c.showsAll.Store(false)
	c.lines.Print("\nstopping")
}

func (c *console) event(source, text string) {
	if c.showsAll.Load() {
		c.lines.Printf("%s %-8s %s", time.Now().Format(time.TimeOnly), source, text)
	}
}

func (c *console) webhook(a clerktest.Attempt) {
	answer := fmt.Sprintf("answered %d", a.Status)
	if a.Err != nil {
		answer = "not answered: " + a.Err.Error()
	}
	if a.Retry > 0 {
		answer += fmt.Sprintf(", again in %s", a.Retry.Round(time.Second))
	}
	c.event("webhook", a.Message.Type+" "+answer)
}

// follow is a writer that shows the lines written to it.
func (c *console) follow() io.Writer { return &follower{console: c} }

// follower cuts what the operator writes into lines. It has one writer at a time.
type follower struct {
	console *console
	partial []byte
}

func (f *follower) Write(p []byte) (int, error) {
	f.partial = append(f.partial, p...)
	for {
		line, rest, whole := bytes.Cut(f.partial, []byte("\n"))
		if !whole {
			return len(p), nil
		}
		f.console.event("operator", readable(line))
		f.partial = rest
	}
}
