package inspect

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// maxMarkdown is the longest comment in bytes: GitHub accepts 65,536 characters.
const maxMarkdown = 60_000

// markdownMarker is how a workflow finds its comment again.
const markdownMarker = "<!-- fituser-plan -->"

// Markdown prints the plan as a comment on a pull request. What does not fit is counted.
func (p ManifestPlan) Markdown(w io.Writer) error {
	limit := max(len(p.RoleChanges), len(p.Deferrals), len(p.Objects), len(p.Undecided), len(p.Notes))
	text := p.markdown(limit)
	for len(text) > maxMarkdown && limit > 0 {
		limit = min(limit-1, limit*maxMarkdown/len(text))
		text = p.markdown(limit)
	}
	_, err := io.WriteString(w, text)
	return err
}

// markdown returns the comment with at most limit lines in each part.
func (p ManifestPlan) markdown(limit int) string {
	m := &markdown{limit: limit}
	m.line("%s\n### Roles after this change\n", markdownMarker)
	m.line("%s\n", p.headline())
	m.table("Role | User | Change | By", len(p.RoleChanges), func(n int) []string {
		c := p.RoleChanges[n]
		change := code(string(c.From)) + " → " + code(string(c.To))
		return []string{code(string(c.section(p.roles))), code(c.person()), change, code(c.cause())}
	})
	if len(p.Deferrals) > 0 {
		m.line("#### Deferred\n")
	}
	m.table("Role kept | User | Despite | Reason", len(p.Deferrals), func(n int) []string {
		d := p.Deferrals[n]
		return []string{code(string(d.Role)), code(d.person()), code(cause(d.Kind, d.Name, d.Change)), d.Reason + d.already()}
	})
	for _, reason := range p.reasons() {
		why, override := p.explain(reason)
		m.line("%s: %s. To allow it: %s\n", reason, why, code(override))
	}
	if len(p.Writes) > 0 {
		m.line("Otherwise the operator would %s.\n", counted(p.Writes))
	}
	m.list("Objects", len(p.Objects), func(n int) string {
		return fmt.Sprintf("%s: %s %s", p.Objects[n].Change, p.Objects[n].Kind, code(p.Objects[n].Name))
	})
	keys := slices.Sorted(maps.Keys(p.Undecided))
	m.list("Undecided", len(keys), func(n int) string { return code(keys[n]) + ": " + escape(p.Undecided[keys[n]]) })
	m.list("Notes", len(p.Notes), func(n int) string { return escape(p.Notes[n]) })
	return m.String()
}

func (p ManifestPlan) headline() string {
	parts := []string{plural(len(p.RoleChanges), "role change")}
	if n := p.protectedChanges(); n > 0 {
		parts = append(parts, fmt.Sprintf("%d of the protected role %s", n, code(string(p.roles.Protected()))))
	}
	if len(p.Deferrals) > 0 {
		parts = append(parts, fmt.Sprintf("%d deferred", len(p.Deferrals)))
	}
	if len(p.Undecided) > 0 {
		parts = append(parts, fmt.Sprintf("%d undecided", len(p.Undecided)))
	}
	return "**" + strings.Join(parts, ", ") + "**"
}

func (p ManifestPlan) protectedChanges() (n int) {
	for _, c := range p.RoleChanges {
		if protected := p.roles.Protected(); protected != "" && c.section(p.roles) == protected {
			n++
		}
	}
	return n
}

// markdown builds a comment.
type markdown struct {
	strings.Builder
	limit int
}

func (m *markdown) line(format string, args ...any) {
	_, _ = m.WriteString(fmt.Sprintf(format, args...) + "\n") // writes to memory
}

// table adds a table with rows; none without rows.
func (m *markdown) table(header string, rows int, row func(int) []string) {
	if rows == 0 {
		return
	}
	m.line("| %s |\n|%s", header, strings.Repeat("---|", 1+strings.Count(header, "|")))
	for n := range min(rows, m.limit) {
		m.line("| %s |", strings.Join(row(n), " | "))
	}
	m.left(rows)
}

// list adds a folded list; nothing without items.
func (m *markdown) list(title string, items int, item func(int) string) {
	if items == 0 {
		return
	}
	m.line("<details><summary>%s: %d</summary>\n", title, items)
	for n := range min(items, m.limit) {
		m.line("* %s", item(n))
	}
	m.left(items)
	m.line("</details>\n")
}

// left counts what does not fit.
func (m *markdown) left(all int) {
	if left := all - m.limit; left > 0 {
		m.line("\n%d more are left out: the comment would be too long.", left)
	}
	m.line("")
}

// code returns text as code in a cell of a table: people choose addresses, and those must not become markup or mentions.
func code(text string) string {
	if text == "" {
		return ""
	}
	return "`" + strings.NewReplacer("`", "'", "|", `\|`).Replace(printable(text)) + "`"
}

// escape returns text without markup.
func escape(text string) string {
	markup := strings.NewReplacer("<", "&lt;", "`", "'", "@", "&#64;", "|", `\|`, "*", `\*`, "_", `\_`, "[", `\[`)
	return markup.Replace(printable(text))
}
