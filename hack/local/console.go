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

// console is the terminal. It prints events only below the script: above it, they would push the commands to try out of
// sight.
type console struct {
	lines       *log.Logger // prints whole lines from several goroutines
	printEvents atomic.Bool
}

func newConsole(w io.Writer) *console { return &console{lines: log.New(w, "", 0)} }

func (c *console) printf(format string, args ...any) { c.lines.Printf(format, args...) }

// printScript prints the script, and events from then on.
func (c *console) printScript(text string) {
	c.lines.Print(text)
	c.printEvents.Store(true)
}

// stopEvents announces the end. Later events are only in the log.
func (c *console) stopEvents() {
	c.printEvents.Store(false)
	c.lines.Print("\nstopping")
}

func (c *console) event(source, text string) {
	if c.printEvents.Load() {
		c.lines.Printf("%s %-8s %s", time.Now().Format(time.TimeOnly), source, text)
	}
}

func (c *console) webhook(a clerktest.Attempt) {
	outcome := fmt.Sprintf("delivered, status %d", a.Status)
	if a.Err != nil {
		outcome = "not delivered: " + a.Err.Error()
	}
	if a.Retry > 0 {
		outcome += fmt.Sprintf(", retry in %s", a.Retry.Round(time.Second))
	}
	c.event("webhook", a.Message.Type+" "+outcome)
}

// operatorLog returns a writer that prints the operator's log lines as events.
func (c *console) operatorLog() io.Writer { return &lineSplitter{console: c} }

// lineSplitter splits the operator's output into lines. It has one writer at a time.
type lineSplitter struct {
	console *console
	partial []byte
}

func (s *lineSplitter) Write(p []byte) (int, error) {
	s.partial = append(s.partial, p...)
	for {
		line, rest, complete := bytes.Cut(s.partial, []byte("\n"))
		if !complete {
			return len(p), nil
		}
		s.console.event("operator", formatLogLine(line))
		s.partial = rest
	}
}
