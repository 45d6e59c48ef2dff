package tableconfig

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/fitai/fituser-operator/internal/user"
)

// parser collects the mapping and the faults.
type parser struct {
	roles   user.Roles
	mapping *user.Mapping
	faults  []Fault
	// columns are all columns that the file names, or leaves at their default name.
	columns []namedColumn
	extra   []user.Column
	// The lines of what is compared with each other.
	sources                map[user.Field]int
	spelled                map[user.Role]int
	columnsLine, adoptLine int
}

// namedColumn is the name of a column, and the key of the file that has it.
type namedColumn struct {
	path, name string
	// line is 0 for a default name.
	line int
}

func (p *parser) fault(line int, path, format string, args ...any) {
	p.faults = append(p.faults, Fault{Line: line, Path: path, Text: fmt.Sprintf(format, args...)})
}

// file reads the sections. A section that is null is left out.
func (p *parser) file(root *yaml.Node) {
	keys := keyList{noun: "key", names: []string{"table", "key", "columns", "extra", "roles", "times", "softDelete", "adoptRows"}}
	p.object("", root, keys, func(key string, at position, value *yaml.Node) {
		if value.Tag == nullTag && key != "table" {
			return
		}
		switch key {
		case "table":
			p.table(at, value)
		case "key":
			p.key(at, value)
		case "columns":
			p.columnsLine = at.line
			p.fields(at, value)
		case "extra":
			p.extras(at, value)
		case "roles":
			p.roleNames(at, value)
		case "times":
			p.mapping.Times = choice(p, at, value, user.Seconds, user.Milliseconds, user.Native)
		case "softDelete":
			p.softDelete(at, value)
		case "adoptRows":
			p.adoptLine = at.line
			p.mapping.AdoptRows = choice(p, at, value, user.AdoptNever, user.AdoptExternalID, user.AdoptVerifiedEmail)
		}
	})
}

func (p *parser) table(at position, value *yaml.Node) {
	text, ok := p.text(at, value)
	if !ok {
		return
	}
	schema, table, qualified := strings.Cut(text, ".")
	if !qualified {
		schema, table = "", text
	}
	if strings.Contains(table, ".") {
		p.fault(at.line, at.path, "%q has more than one dot: want TABLE or SCHEMA.TABLE, and no name of the database before it", text)
		return
	}
	if qualified && !p.isName(at, schema) || !p.isName(at, table) {
		return
	}
	p.mapping.Schema, p.mapping.Table = schema, table
}

func (p *parser) key(at position, value *yaml.Node) {
	keys := keyList{noun: "key", names: []string{"column", "holds"}}
	p.object(at.path, value, keys, func(key string, at position, value *yaml.Node) {
		if key == "holds" {
			if value.Tag != nullTag {
				p.mapping.Key.Holds = choice(p, at, value, user.HoldsClerkID, user.HoldsExternalID)
			}
			return
		}
		if name, ok := p.name(at, value); ok {
			p.mapping.Key.Column = name
			p.nameColumn(at, name)
		}
	})
}

// The keys of the two times under columns, which are no fields.
const (
	createdAt = "createdAt"
	updatedAt = "updatedAt"
)

// fields reads the section columns.
func (p *parser) fields(at position, value *yaml.Node) {
	keys := keyList{noun: "field", names: fieldNames(), hint: func(key string) string {
		if user.Field(key).IsExtra() {
			return "list it under extra, as {column: …, from: " + key + "}"
		}
		return ""
	}}
	p.object(at.path, value, keys, func(key string, at position, value *yaml.Node) {
		name, ok := "", true
		if value.Tag != nullTag {
			name, ok = p.name(at, value)
		}
		if !ok {
			return
		}
		p.nameColumn(at, name)
		switch key {
		case createdAt:
			p.mapping.CreatedAt = name
		case updatedAt:
			p.mapping.UpdatedAt = name
		default:
			i := slices.IndexFunc(p.mapping.Columns, func(c user.Column) bool { return string(c.From) == key })
			p.mapping.Columns[i].Name = name
		}
	})
}

// fieldNames returns the keys under columns.
func fieldNames() []string {
	var names []string
	for _, f := range user.DefaultMapping().Fields() {
		names = append(names, string(f))
	}
	return append(names, createdAt, updatedAt)
}

func (p *parser) extras(at position, value *yaml.Node) {
	if value.Kind != yaml.SequenceNode {
		p.fault(at.line, at.path, "want a list, not %s: write - {column: avatar_url, from: imageURL}", describe(value))
		return
	}
	for i, item := range value.Content {
		p.extraColumn(position{fmt.Sprintf("%s[%d]", at.path, i), item.Line}, item)
	}
}

func (p *parser) extraColumn(at position, value *yaml.Node) {
	var column user.Column
	faults := len(p.faults)
	keys := keyList{noun: "key", names: []string{"column", "from"}}
	p.object(at.path, value, keys, func(key string, at position, value *yaml.Node) {
		if key == "from" {
			column.From = p.source(at, value)
		} else if name, ok := p.name(at, value); ok {
			column.Name = name
			p.nameColumn(at, name)
		}
	})
	if len(p.faults) > faults {
		return
	}
	if column.Name == "" || column.From == "" {
		p.fault(at.line, at.path, "want both keys: write {column: avatar_url, from: imageURL}")
		return
	}
	p.extra = append(p.extra, column)
}

// source reads the field of Clerk that a further column holds.
func (p *parser) source(at position, value *yaml.Node) user.Field {
	text, ok := p.text(at, value)
	if !ok {
		return ""
	}
	field := user.Field(text)
	if !field.IsExtra() {
		p.fault(at.line, at.path, "%s", noSource(text))
		return ""
	}
	if line, twice := p.sources[field]; twice {
		p.fault(at.line, at.path, "%s is also the source on line %d: one column can hold it; remove one of the two", field, line)
		return ""
	}
	if p.sources == nil {
		p.sources = map[user.Field]int{}
	}
	p.sources[field] = at.line
	return field
}

func noSource(text string) string {
	var names []string
	for _, f := range user.ExtraFields() {
		names = append(names, string(f))
	}
	switch {
	case slices.Contains(fieldNames(), text):
		return fmt.Sprintf("%q has its place under columns: write its column there", text)
	case strings.HasPrefix(text, "publicMetadata"):
		return fmt.Sprintf("%q names no value of the public metadata: want publicMetadata.KEY or publicMetadata.KEY.KEY, up to eight keys of "+
			"letters, digits, hyphens and underscores", text)
	}
	if meant := nearest(text, names); meant != "" {
		return fmt.Sprintf("no such source %q: did you mean %s?", text, meant)
	}
	return fmt.Sprintf("no such source %q: want one of %s, publicMetadata.KEY", text, strings.Join(names, ", "))
}

func (p *parser) roleNames(at position, value *yaml.Node) {
	keys := keyList{noun: "role"}
	for _, role := range p.roles.Names() {
		keys.names = append(keys.names, string(role))
	}
	keys.hint = func(string) string {
		return "want one of " + strings.Join(keys.names, ", ") + "; --roles lists them"
	}
	p.spelled = map[user.Role]int{}
	names := map[user.Role]user.Role{}
	p.object(at.path, value, keys, func(key string, at position, value *yaml.Node) {
		if text, ok := p.name(at, value); ok {
			names[user.Role(key)] = user.Role(text)
			p.spelled[user.Role(key)] = at.line
		}
	})
	if len(names) > 0 {
		p.mapping.RoleNames = names
	}
}

func (p *parser) softDelete(at position, value *yaml.Node) {
	soft := &user.SoftDelete{}
	faults := len(p.faults)
	keys := keyList{noun: "key", names: []string{"column", "purgeAfter"}}
	p.object(at.path, value, keys, func(key string, at position, value *yaml.Node) {
		if key == "purgeAfter" {
			soft.PurgeAfter = p.duration(at, value)
		} else if name, ok := p.name(at, value); ok {
			soft.Column = name
			p.nameColumn(at, name)
		}
	})
	switch {
	case len(p.faults) > faults:
	case soft.Column == "":
		p.fault(at.line, at.path, "want the column that holds the time of the deletion: write {column: deleted_at}")
	default:
		p.mapping.SoftDelete = soft
	}
}

// finished returns the mapping without the columns that the table does not have, and with the further ones.
func (p *parser) finished() *user.Mapping {
	p.mapping.Columns = slices.DeleteFunc(p.mapping.Columns, func(c user.Column) bool { return c.Name == "" })
	p.mapping.Columns = append(p.mapping.Columns, p.extra...)
	return p.mapping
}
