package inspect

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/user"
)

// Text prints the explanation.
func (w Why) Text(out io.Writer, now time.Time) error {
	t := newTable(out)
	w.writeUser(t, now)
	t.line("")
	w.Role.write(t)
	t.line("")
	if len(w.Fields) > 0 {
		t.row("FIELD", "OWNER", "CLERK", "FITUSER", "ROW", "DIFFERS")
	}
	for _, f := range w.Fields {
		t.row(f.Name, f.Owner, f.Clerk, f.FitUser, f.Row, strings.Join(f.Differs, ", "))
	}
	for _, problem := range []string{w.Clerk, w.Table} {
		if problem != "" {
			t.line("%s", problem)
		}
	}
	if len(w.Fields) > 0 {
		t.line("")
	}
	w.writePreview(t)
	return t.flush()
}

func (w Why) writeUser(t *table, now time.Time) {
	t.row("USER", cmp.Or(string(w.User), "nobody holds the address"))
	for _, u := range w.FitUsers {
		t.row("FITUSER", u.text(now))
	}
	if len(w.FitUsers) == 0 {
		t.row("FITUSER", "none")
	}
	t.row("ROLE", w.Role.text())
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

// text describes the decision in one line.
func (d Decision) text() string {
	if d.Role == "" {
		return "none"
	}
	by := map[user.RoleSource]string{
		user.FromManifest: "by the manifest", user.FromClerk: "as Clerk has it", user.FromRule: "by the RoleRule",
		user.FromDefault: "by default",
	}[d.Source]
	text := strings.TrimSpace(fmt.Sprintf("%s, %s %s", d.Role, by, d.Name))
	if !d.ExpiresAt.IsZero() {
		text += ", until " + d.ExpiresAt.Format(time.RFC3339)
	}
	return text
}

// write prints the candidates.
func (d Decision) write(t *table) {
	t.row("ROLE FROM", "NAME", "ROLE", "EXPIRES", "WHY")
	for _, c := range d.Candidates {
		t.row(string(c.Source), cmp.Or(c.Name, "-"), cmp.Or(c.Role, "-"), timeText(c.ExpiresAt), c.Why)
	}
}

// timeText returns a time as text; a hyphen for none.
func timeText(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format(time.RFC3339)
}
