package main

import (
	"fmt"
	"io"
	"log"
	"sync/atomic"

	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
)

// console is the terminal. What happens in the background is shown only below the script: above it, it would bury what
// there is to try.
type console struct {
	lines  *log.Logger // whole lines, from several goroutines
	opened atomic.Bool
}

func newConsole(w io.Writer) *console { return &console{lines: log.New(w, "", 0)} }

func (c *console) say(format string, args ...any) { c.lines.Printf(format, args...) }

// show prints the script. From then on, events are shown.
func (c *console) show(text string) {
	c.lines.Print(text)
	c.opened.Store(true)
}

func (c *console) event(text string) {
	if c.opened.Load() {
		c.lines.Print(text)
	}
}

func (c *console) webhook(a clerktest.Attempt) {
	answer := fmt.Sprintf("answered %d", a.Status)
	if a.Err != nil {
		answer = "not answered: " + a.Err.Error()
	}
	c.event(fmt.Sprintf("webhook %s %s", a.Message.Type, answer))
}

// tee writes the operator's log to where it is kept and shows it.
func (c *console) tee(kept io.Writer) io.Writer {
	return kept
}
