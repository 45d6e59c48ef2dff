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

// table makes a text of columns and lines.
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

// row adds a row of cells. Control characters in what people typed must not reach the terminal.
func (t *table) row(cells ...string) {
	for i, cell := range cells {
		cells[i] = printable(cell)
	}
	_, _ = io.WriteString(t.columns, strings.Join(cells, "\t")+"\n") // into memory
}

// line adds a line that is no part of the columns.
func (t *table) line(format string, args ...any) {
	_ = t.columns.Flush()
	t.text.WriteString(printable(fmt.Sprintf(format, args...)) + "\n")
}

// flush writes it all, without the blanks that empty cells leave at the end of lines.
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

// sentences say what changes do, in the order in which they happen.
func sentences(changes []preview.Change) []string {
	said := make([]string, len(changes))
	for i, c := range changes {
		said[i] = sentence(c)
	}
	return said
}

func sentence(c preview.Change) string {
	switch c.Place + " " + c.Action {
	case "clerk grant":
		return fmt.Sprintf("grant the role %s in Clerk", c.Role)
	case "clerk revoke":
		return fmt.Sprintf("revoke the role %s in Clerk", c.Role)
	case "clerk remove_marker":
		return "remove the marker in Clerk: somebody has set another role since"
	case "fituser create":
		return "create FitUser " + c.Name
	case "fituser delete":
		return "delete FitUser " + c.Name
	case "fituser status":
		return fmt.Sprintf("write the status of FitUser %s (%s)", c.Name, strings.Join(c.Fields, ", "))
	case "table create":
		return "insert the row"
	case "table delete":
		return "delete the row"
	default:
		return fmt.Sprintf("update the row of %s (%s)", c.User, strings.Join(c.Fields, ", "))
	}
}

// counted says how many changes of each kind there are, such as "make 2 FitUsers, insert 1 row".
func counted(counts map[string]int) string {
	var parts []string
	for _, kind := range []struct{ what, verb, thing, rest string }{
		{"clerk grant", "grant", "role", " in Clerk"},
		{"clerk revoke", "revoke", "role", " in Clerk"},
		{"clerk remove_marker", "remove", "marker", " in Clerk"},
		{"fituser create", "create", "FitUser", ""},
		{"fituser delete", "delete", "FitUser", ""},
		{"fituser status", "write the status of", "FitUser", ""},
		{"table create", "insert", "row", ""},
		{"table update", "update", "row", ""},
		{"table delete", "delete", "row", ""},
	} {
		number, things := counts[kind.what], kind.thing
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
