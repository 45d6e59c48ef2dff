package inspect

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/fitai/fituser-operator/api/v1alpha1"
)

// Text writes the answer for a person.
func (w Why) Text(out io.Writer, now time.Time) error {
	t := newTable(out)
	w.writeWho(t, now)
	t.line("")
	t.row("FIELD", "OWNER", "CLERK", "FITUSER", "ROW", "DIFFERS")
	for _, f := range w.Fields {
		t.row(f.Name, f.Owner, f.Clerk, f.FitUser, f.Row, strings.Join(f.Differs, ", "))
	}
	for _, missing := range []string{w.Clerk, w.Table} {
		if missing != "" {
			t.line("%s", missing)
		}
	}
	t.line("")
	w.writeOutlook(t)
	return t.flush()
}

func (w Why) writeWho(t *table, now time.Time) {
	t.row("USER", string(w.User))
	for _, u := range w.FitUsers {
		t.row("FITUSER", u.text(now))
	}
	if len(w.FitUsers) == 0 {
		t.row("FITUSER", "none")
	}
	if w.Event != nil {
		state := "not dealt with yet"
		if w.Event.Done {
			state = "dealt with"
		}
		t.row("EVENT", fmt.Sprintf("%s, %s ago, %s (%s)", w.Event.Type, age(now, w.Event.At), state, w.Event.Message))
	}
}

func (w Why) writeOutlook(t *table) {
	if len(w.Outlook.Changes) == 0 {
		t.line("%s", w.When)
		return
	}
	t.line("What the operator would do:")
	for _, sentence := range sentences(w.Outlook.Changes) {
		t.line("  %s", sentence)
	}
	if w.Outlook.Reason != "" {
		t.line("  and say %s: %s", w.Outlook.Reason, w.Outlook.Message)
	}
	t.line("%s", w.When)
	if serving := w.serving(); serving != "" {
		t.line(`Now: kubectl annotate fituser %s %s="$(date +%%s)" --overwrite`, serving, v1alpha1.AnnotationReconcile)
	}
}

func (w Why) serving() string {
	for _, u := range w.FitUsers {
		if u.Serves {
			return u.Name
		}
	}
	return ""
}

func (u FitUser) text(now time.Time) string {
	made := "made by the operator"
	if u.MadeBy == "person" {
		made = "made by a person"
	}
	state := "not looked at yet"
	if u.Reason != "" {
		state = fmt.Sprintf("Ready %s for %s, %s: %s", u.Ready, age(now, u.Since), u.Reason, u.Message)
	}
	if u.Leaving {
		state = "being deleted; " + state
	}
	return fmt.Sprintf("%s (%s), %s", u.Name, made, state)
}
