package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3" // has few dependencies, is maintained, and takes polled figures
	"golang.org/x/term"
)

// lineInterval is how often a line reports the progress of an import when the output is not a terminal.
const lineInterval = 5 * time.Second

// display shows the progress of an import. Nothing else is printed until end.
type display interface {
	show(p progress)
	end()
}

// newDisplay returns a bar on a terminal, and lines elsewhere.
func (c *console) newDisplay() display {
	w := c.lines.Writer()
	if file, ok := w.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		return &bar{w: w}
	}
	return &lines{printf: c.printf, next: time.Now().Add(lineInterval), now: time.Now}
}

// lines prints a line per lineInterval.
type lines struct {
	printf func(format string, args ...any)
	next   time.Time
	now    func() time.Time
}

func (l *lines) show(p progress) {
	if now := l.now(); !now.Before(l.next) {
		l.next = now.Add(lineInterval)
		l.printf("importing: %d of %d users read, %d FitUsers created, %d rows inserted", p.read, p.expected, p.created, p.rows)
	}
}

func (l *lines) end() {}

// bar is a progress bar that removes itself at the end. It counts FitUsers, not rows: an older table may already have all
// rows.
type bar struct {
	w   io.Writer
	bar *progressbar.ProgressBar // nil until the number of users in Clerk is known
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
	// An error of the display must not fail the run.
	b.bar.ChangeMax(p.expected)
	_ = b.bar.Set(min(p.created, p.expected))
	b.bar.Describe(fmt.Sprintf("%d read, %d rows", p.read, p.rows))
}

func (b *bar) end() {
	if b.bar != nil {
		_ = b.bar.Clear()
	}
}
