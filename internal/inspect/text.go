package inspect

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"k8s.io/apimachinery/pkg/util/duration"

	"github.com/fitai/fituser-operator/controllers/preview"
)

// table formats aligned columns and plain lines.
type table struct {
	out     io.Writer
	text    bytes.Buffer
	columns *tabwriter.Writer
}

func newTable(out io.Writer) *table {
	t := &table{out: out}
	t.columns = tabwriter.NewWriter(&t.text, 0, 0, 3, ' ', 0)
	return t
}

// row adds a row of cells. It replaces control characters: values that people typed must not control the terminal.
func (t *table) row(cells ...string) {
	for i, cell := range cells {
		cells[i] = printable(cell)
	}
	_, _ = io.WriteString(t.columns, strings.Join(cells, "\t")+"\n") // writes to memory
}

// line adds a line outside the columns.
func (t *table) line(format string, args ...any) {
	_ = t.columns.Flush()
	t.text.WriteString(printable(fmt.Sprintf(format, args...)) + "\n")
}

// flush writes everything, without the blanks that empty cells leave at the ends of lines.
func (t *table) flush() error {
	_ = t.columns.Flush()
	for line := range strings.Lines(t.text.String()) {
		if _, err := io.WriteString(t.out, strings.TrimRight(line, " \n")+"\n"); err != nil {
			return err
		}
	}
	return nil
}

func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return '\uFFFD'
		}
		return r
	}, text)
}

func age(now, then time.Time) string { return duration.HumanDuration(max(0, now.Sub(then))) }

// sentences describes changes in the order in which they happen.
func sentences(changes []preview.Change) []string {
	described := make([]string, len(changes))
	for i, c := range changes {
		described[i] = sentence(c)
	}
	return described
}

// sentence describes a change.
func sentence(c preview.Change) string {
	kind := c.Place + " " + c.Action
	switch kind {
	case "clerk grant", "clerk revoke":
		return fmt.Sprintf("%s the role %s in Clerk", c.Action, c.Role)
	case "fituser create", "fituser delete":
		return c.Action + " FitUser " + c.Name
	case "fituser status":
		return fmt.Sprintf("update the status of FitUser %s (%s)", c.Name, strings.Join(c.Fields, ", "))
	case "table adopt":
		return fmt.Sprintf("give the user the row %q from before Clerk", c.Name)
	case "table update":
		return fmt.Sprintf("update the row of %s (%s)", c.User, strings.Join(c.Fields, ", "))
	default:
		return map[string]string{
			"clerk remove_marker":   "remove the marker in Clerk: the role was changed there since",
			"clerk set_external_id": "set the external id in Clerk to the key of the row from before Clerk",
			"table create":          "insert the row",
			"table delete":          "delete the row",
			"table anonymize":       "anonymize the row",
			"table soft_delete":     "mark the row as deleted",
		}[kind]
	}
}

// counted lists how many changes of each kind there are, such as "create 2 FitUsers, insert 1 row".
func counted(counts map[string]int) string {
	var parts []string
	for _, kind := range []struct{ key, verb, thing, rest string }{
		{"clerk grant", "grant", "role", " in Clerk"},
		{"clerk revoke", "revoke", "role", " in Clerk"},
		{"clerk remove_marker", "remove", "marker", " in Clerk"},
		{"clerk set_external_id", "set", "external id", " in Clerk"},
		{"fituser create", "create", "FitUser", ""},
		{"fituser delete", "delete", "FitUser", ""},
		{"fituser status", "update the status of", "FitUser", ""},
		{"table create", "insert", "row", ""},
		{"table update", "update", "row", ""},
		{"table adopt", "adopt", "row", ""},
		{"table anonymize", "anonymize", "row", ""},
		{"table soft_delete", "mark", "row", " as deleted"},
		{"table delete", "delete", "row", ""},
	} {
		number, things := counts[kind.key], kind.thing
		if number == 0 {
			continue
		}
		if number > 1 {
			things += "s"
		}
		parts = append(parts, fmt.Sprintf("%s %d %s%s", kind.verb, number, things, kind.rest))
	}
	return strings.Join(parts, ", ")
}
