package inspect

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/fitai/fituser-operator/api/v1alpha1"
)

// Text prints the explanation.
func (w Why) Text(out io.Writer, now time.Time) error {
	t := newTable(out)
	w.writeUser(t, now)
	t.line("")
	t.row("FIELD", "OWNER", "CLERK", "FITUSER", "ROW", "DIFFERS")
	for _, f := range w.Fields {
		t.row(f.Name, f.Owner, f.Clerk, f.FitUser, f.Row, strings.Join(f.Differs, ", "))
	}
	for _, problem := range []string{w.Clerk, w.Table} {
		if problem != "" {
			t.line("%s", problem)
		}
	}
	t.line("")
	w.writePreview(t)
	return t.flush()
}

func (w Why) writeUser(t *table, now time.Time) {
	t.row("USER", string(w.User))
	for _, u := range w.FitUsers {
		t.row("FITUSER", u.text(now))
	}
	if len(w.FitUsers) == 0 {
		t.row("FITUSER", "none")
	}
	if w.Event != nil {
		state := "not handled yet"
		if w.Event.Handled {
			state = "handled"
		}
		t.row("EVENT", fmt.Sprintf("%s, %s ago, %s (%s)", w.Event.Type, age(now, w.Event.At), state, w.Event.MessageID))
	}
}

func (w Why) writePreview(t *table) {
	if len(w.Preview.Changes) == 0 {
		t.line("%s", w.When)
		return
	}
	t.line("The operator would:")
	for _, sentence := range sentences(w.Preview.Changes) {
		t.line("  %s", sentence)
	}
	if w.Preview.Reason != "" {
		t.line("  report %s: %s", w.Preview.Reason, w.Preview.Message)
	}
	t.line("%s", w.When)
	if active := w.active(); active != "" {
		t.line(`To do it now: kubectl annotate fituser %s %s="$(date +%%s)" --overwrite`, active, v1alpha1.AnnotationReconcile)
	}
}

// active returns the name of the active FitUser, or "".
func (w Why) active() string {
	for _, u := range w.FitUsers {
		if u.Active {
			return u.Name
		}
	}
	return ""
}

func (u FitUser) text(now time.Time) string {
	state := "not reconciled yet"
	if u.Reason != "" {
		state = fmt.Sprintf("Ready %s for %s, %s: %s", u.Ready, age(now, u.Since), u.Reason, u.Message)
	}
	if u.Terminating {
		state = "terminating; " + state
	}
	return fmt.Sprintf("%s (%s-managed), %s", u.Name, u.ManagedBy, state)
}
