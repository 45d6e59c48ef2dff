package tableconfig

import (
	"slices"
	"strings"

	"github.com/fitai/fituser-operator/internal/user"
)

// defaultColumns returns the columns of a file that names none.
func defaultColumns(m *user.Mapping) []namedColumn {
	columns := []namedColumn{{path: "key.column", name: m.Key.Column}}
	for _, c := range m.Columns {
		columns = append(columns, namedColumn{path: "columns." + string(c.From), name: c.Name})
	}
	return append(columns, namedColumn{path: "columns." + createdAt, name: m.CreatedAt}, namedColumn{path: "columns." + updatedAt, name: m.UpdatedAt})
}

// nameColumn records the name that the file has for a column; an empty one is for a column that the table does not have.
func (p *parser) nameColumn(at position, name string) {
	named := namedColumn{path: at.path, name: name, line: at.line}
	if i := slices.IndexFunc(p.columns, func(c namedColumn) bool { return c.path == at.path }); i >= 0 {
		p.columns[i] = named
		return
	}
	p.columns = append(p.columns, named)
}

// check compares the values of different keys.
func (p *parser) check() {
	p.checkColumns()
	p.checkRoles()
	if len(p.extra) == 0 && !slices.ContainsFunc(p.mapping.Columns, func(c user.Column) bool { return c.Name != "" }) && len(p.faults) == 0 {
		p.fault(p.columnsLine, "columns", "every field is null, so that the operator has nothing to keep: name the column of one")
	}
	hasEmail := slices.ContainsFunc(p.mapping.Columns, func(c user.Column) bool { return c.From == user.FieldEmail && c.Name != "" })
	if p.mapping.AdoptRows == user.AdoptVerifiedEmail && !hasEmail {
		p.fault(p.adoptLine, "adoptRows", "%s needs a column with the address: name it in columns.email, or write never or externalID here",
			user.AdoptVerifiedEmail)
	}
}

// checkColumns finds two keys with one column. It ignores the case: some engines do, and on the others two names that
// differ only in it are a mistake.
func (p *parser) checkColumns() {
	seen := map[string]namedColumn{}
	for _, column := range p.columns {
		if column.name == "" {
			continue
		}
		name := strings.ToLower(column.name)
		first, twice := seen[name]
		if !twice {
			seen[name] = column
			continue
		}
		if first.line > column.line { // the fault is where the file names the column, and not at a default
			first, column = column, first
		}
		p.fault(column.line, column.path, "the column %q is also %s: %s", column.name, first.path, otherColumn(first))
	}
}

func otherColumn(first namedColumn) string {
	switch {
	case !strings.HasPrefix(first.path, "columns."):
		return "name another column"
	case first.line == 0:
		return "that is its default name; name another column, or write null there if the table has no such column"
	default:
		return "name another column, or write null there if the table has no such column"
	}
}

// checkRoles finds two roles with one text. A role that the file does not name is spelled as it is.
func (p *parser) checkRoles() {
	seen := map[user.Role]user.Role{}
	for _, role := range p.roles.Names() {
		text := p.mapping.SpelledRole(role)
		first, twice := seen[text]
		if !twice {
			seen[text] = role
			continue
		}
		line, other := p.spelled[role], first
		if p.spelled[first] > line {
			line, role, other = p.spelled[first], first, role
		}
		p.fault(line, "roles."+string(role), "%q is also the text of the role %s: write another text, so that a row shows which role it is", text, other)
	}
}
