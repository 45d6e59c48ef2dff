package tableconfig

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/fitai/fituser-operator/internal/user"
)

// Notes are comments beside the lines of a mapping, by the path of the key, such as columns.phone. Those of key, extra,
// roles, times, softDelete and adoptRows are above the line, or in place of a line that the mapping does not have.
type Notes map[string]string

// Marshal writes a mapping as the text of a mapping file, which [Parse] reads as the same mapping. It returns an error for a
// name that a file cannot have.
func Marshal(m *user.Mapping) ([]byte, error) { return MarshalWithNotes(m, nil) }

// MarshalWithNotes writes a mapping with comments.
func MarshalWithNotes(m *user.Mapping, notes Notes) ([]byte, error) {
	if err := checkNames(m); err != nil {
		return nil, err
	}
	w := &writer{notes: notes}
	w.line("table", "table: "+scalar(tableName(m)))
	w.section("key", fmt.Sprintf("key: {column: %s, holds: %s}", scalar(m.Key.Column), m.Key.Holds))
	w.section("columns", "columns:")
	w.columns(m)
	w.extra(m)
	if len(m.RoleNames) > 0 {
		w.section("roles", "roles: {"+strings.Join(spellings(m.RoleNames), ", ")+"}")
	} else {
		w.comment("roles")
	}
	if m.Times == "" {
		w.section("times", "# times: seconds | milliseconds | native. Without it, the columns and their rows decide.")
	} else {
		w.section("times", "times: "+string(m.Times))
	}
	w.softDelete(m.SoftDelete)
	w.section("adoptRows", "adoptRows: "+string(m.AdoptRows))
	return []byte(w.text.String()), nil
}

func tableName(m *user.Mapping) string {
	if m.Schema == "" {
		return m.Table
	}
	return m.Schema + "." + m.Table
}

func checkNames(m *user.Mapping) error {
	names := []string{m.Table, m.Key.Column}
	for _, c := range m.Columns {
		names = append(names, c.Name)
	}
	for _, name := range []string{m.Schema, m.CreatedAt, m.UpdatedAt} {
		if name != "" {
			names = append(names, name)
		}
	}
	if m.SoftDelete != nil {
		names = append(names, m.SoftDelete.Column)
	}
	for _, name := range names {
		if fault := nameFault(name); fault != "" {
			return fmt.Errorf("writing the mapping as a file: %s", fault)
		}
	}
	if strings.Contains(m.Schema+m.Table, ".") {
		return fmt.Errorf("writing the mapping as a file: the name %q has a dot, which a file has only between schema and table", tableName(m))
	}
	return nil
}

type writer struct {
	text  strings.Builder
	notes Notes
}

// line writes a line, and its comment beside it.
func (w *writer) line(path, text string) {
	w.text.WriteString(text)
	if note := w.notes[path]; note != "" {
		w.text.WriteString("   # " + oneLine(note))
	}
	w.text.WriteByte('\n')
}

// section writes a line, and its comment above it.
func (w *writer) section(path, text string) {
	w.comment(path)
	w.text.WriteString(text + "\n")
}

func (w *writer) comment(path string) {
	if note := w.notes[path]; note != "" {
		w.text.WriteString("# " + oneLine(note) + "\n")
	}
}

// oneLine keeps a name of the database with a line break from ending the comment.
func oneLine(note string) string { return strings.Join(strings.Fields(note), " ") }

func (w *writer) columns(m *user.Mapping) {
	column := func(key, name string) {
		if name == "" {
			w.line("columns."+key, "  "+key+": null")
		} else {
			w.line("columns."+key, "  "+key+": "+scalar(name))
		}
	}
	for _, c := range user.DefaultMapping().Columns {
		column(string(c.From), m.NameOf(c.From))
	}
	column(createdAt, m.CreatedAt)
	column(updatedAt, m.UpdatedAt)
}

func (w *writer) extra(m *user.Mapping) {
	w.comment("extra")
	first := true
	for _, c := range m.Columns {
		if !c.From.IsExtra() {
			continue
		}
		if first {
			w.text.WriteString("extra:\n")
			first = false
		}
		w.line("extra."+string(c.From), fmt.Sprintf("  - {column: %s, from: %s}", scalar(c.Name), c.From))
	}
}

func (w *writer) softDelete(soft *user.SoftDelete) {
	switch {
	case soft == nil && w.notes["softDelete"] != "":
		w.comment("softDelete")
	case soft == nil:
		w.section("softDelete", "# softDelete: {column: deleted_at, purgeAfter: 720h} keeps a deleted row for a time. Without it, the row is deleted.")
	case soft.PurgeAfter == 0:
		w.section("softDelete", fmt.Sprintf("softDelete: {column: %s} # for ever: no purgeAfter", scalar(soft.Column)))
	default:
		w.section("softDelete", fmt.Sprintf("softDelete: {column: %s, purgeAfter: %s}", scalar(soft.Column), shortDuration(soft.PurgeAfter)))
	}
}

// shortDuration returns 720h, and not 720h0m0s.
func shortDuration(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// spellings returns the roles in alphabetical order: the mapping does not know which one is the most privileged.
func spellings(names map[user.Role]user.Role) []string {
	var pairs []string
	for _, role := range slices.Sorted(maps.Keys(names)) {
		pairs = append(pairs, scalar(string(role))+": "+scalar(string(names[role])))
	}
	return pairs
}

var (
	plainScalar = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]*$`)
	// oldBooleans are texts to YAML 1.2, and booleans to programs that read version 1.1.
	oldBooleans = regexp.MustCompile(`^(?i:y|n|yes|no|on|off)$`)
)

// scalar returns a text as YAML, with quotation marks where it needs them.
func scalar(text string) string {
	var node yaml.Node
	if plainScalar.MatchString(text) && !oldBooleans.MatchString(text) &&
		yaml.Unmarshal([]byte(text), &node) == nil && node.Content[0].Tag == stringTag {
		return text
	}
	var quoted strings.Builder
	encoder := json.NewEncoder(&quoted) // YAML contains JSON
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(text) // a text has a JSON form, and the writer is memory
	return strings.TrimSuffix(quoted.String(), "\n")
}
