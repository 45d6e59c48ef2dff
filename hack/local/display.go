package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3" // few dependencies, kept up, and takes figures that are polled
	"golang.org/x/term"
)

// calm is how often a line says how far an import is where there is no terminal.
const calm = 5 * time.Second

// display shows how far an import is. Nothing else is printed until its end.
type display interface {
	show(p progress)
	end()
}

// display is a bar on a terminal, and lines elsewhere.
func (c *console) display() display {
	w := c.lines.Writer()
	if file, ok := w.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		return &bar{w: w}
	}
	return &calmLines{say: c.say, next: time.Now().Add(calm), now: time.Now}
}

// calmLines is a line now and again.
type calmLines struct {
	say  func(format string, args ...any)
	next time.Time
	now  func() time.Time
}

func (l *calmLines) show(p progress) {
	if now := l.now(); !now.Before(l.next) {
		l.next = now.Add(calm)
		l.say("importing: %d of %d users seen, %d FitUsers made, %d rows written", p.seen, p.expected, p.made, p.rows)
	}
}

func (l *calmLines) end() {}

// bar is a bar that is gone in the end. It counts FitUsers, not rows: a table that was there before may have them all.
type bar struct {
	w   io.Writer
	bar *progressbar.ProgressBar // nil until Clerk has said how many users there are
}

func (b *bar) show(p progress) {
	if p.expected == 0 {
		return
	}
	if b.bar == nil {
		b.bar = progressbar.NewOptions(p.expected,
			progressbar.OptionSetWriter(b.w), progressbar.OptionSetWidth(30), progressbar.OptionShowCount(),
			progressbar.OptionShowDescriptionAtLineEnd(), progressbar.OptionUseANSICodes(true),
		)
	}
	// How it looks is no reason to fail.
	b.bar.ChangeMax(p.expected)
	_ = b.bar.Set(min(p.made, p.expected))
	b.bar.Describe(fmt.Sprintf("%d seen, %d rows", p.seen, p.rows))
}

func (b *bar) end() {
	if b.bar != nil {
		_ = b.bar.Clear()
	}
}
