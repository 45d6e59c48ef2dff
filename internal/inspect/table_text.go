package inspect

import (
	"cmp"
	"io"
	"slices"
	"strings"
)

// Text prints the answer.
func (a TableAnswer) Text(w io.Writer) error {
	t := newTable(w)
	t.line("MAPPING in force, from %s:", cmp.Or(a.File, "no file: the default"))
	t.line("")
	t.lines(a.Mapping)
	if a.Table != nil {
		t.line("")
		t.line("TABLE %s:", a.Table.Name)
		t.line("")
		a.Table.write(t)
	}
	t.line("")
	if !a.Differs() {
		t.line("The table is as the mapping has it.")
		return t.flush()
	}
	t.line("DIFFERS:")
	t.differences(a.Differences)
	a.writeProposal(t)
	return t.flush()
}

func (a TableAnswer) writeProposal(t *table) {
	t.line("")
	switch {
	case a.Proposal != nil:
	case a.Table == nil:
		t.line("No other table looks as if it held users.")
		return
	default:
		t.line("No mapping was found that fits better.")
		return
	}
	t.line("PROPOSAL for the table %s. Save it as a file, check each comment, and set --table-config to the file:", a.Proposal.Table)
	t.line("")
	t.lines(a.Proposal.Mapping)
	t.line("")
	if len(a.Proposal.Differences) == 0 {
		t.line("With it, the table fits.")
	} else {
		t.line("With it, this remains:")
		t.differences(a.Proposal.Differences)
	}
	others := slices.DeleteFunc(slices.Clone(a.Candidates), func(name string) bool { return name == a.Proposal.Table })
	if len(others) > 0 {
		t.line("Other tables that look as if they held users: %s", strings.Join(others[:min(5, len(others))], ", "))
	}
}

func (f *FoundTable) write(t *table) {
	t.row("COLUMN", "TYPE", "NULL", "DEFAULT", "UNIQUE", "HOLDS")
	for _, c := range f.Columns {
		null := "no"
		if c.Nullable {
			null = "yes"
		}
		t.row(c.Name, c.Type, null, c.Default, strings.Join(c.Unique, "; "), cmp.Or(c.Holds, "the application's own"))
	}
}

// lines adds a text of several lines.
func (t *table) lines(text string) {
	for line := range strings.Lines(text) {
		t.line("%s", strings.TrimSuffix(line, "\n"))
	}
}

func (t *table) differences(all []Difference) {
	for _, d := range all {
		t.line("* %s", d.Problem)
		if d.NextStep != "" {
			t.line("  Next: %s.", d.NextStep)
		}
	}
}
