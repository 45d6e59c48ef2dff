package store

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/fitai/fituser-operator/internal/user"
)

// problems returns all reasons why the table cannot be used, so that one migration can fix them.
func (t tableSchema) problems(d *dialect) []string {
	switch t.relation {
	case "":
		return []string{"there is no table users in " + t.location +
			"; run the application's migrations, or start the operator with --create-table"}
	case "table":
	default:
		return []string{"users is a " + t.relation + ", want a table"}
	}
	problems := append(t.wrongColumns(d), t.missingKeys()...)
	if names := t.requiredForeign(); len(names) > 0 {
		problems = append(problems, "NOT NULL without a default, so that no row can be inserted: "+strings.Join(names, ", "))
	}
	if privileges := t.missingPrivileges(); len(privileges) > 0 {
		problems = append(problems, "the database user lacks the privileges "+strings.Join(privileges, ", ")+" on users")
	}
	if t.readOnly && len(problems) > 0 {
		problems = append(problems, "the database is read-only")
	}
	return problems
}

// kindsFor returns the kinds of column that can hold an owned column. Ids are case-sensitive, so citext cannot hold
// them.
func (d *dialect) kindsFor(name string) []string {
	switch name {
	case "id":
		return []string{kindText}
	case string(user.ColumnRole):
		return d.roleKinds
	case "created_at", "updated_at":
		return slices.Sorted(maps.Keys(d.clocks))
	default:
		return d.textKinds
	}
}

func (t tableSchema) wrongColumns(d *dialect) []string {
	var missing, wrong []string
	for _, name := range ownedColumns() {
		have, exists := t.columns[name]
		switch {
		case !exists:
			missing = append(missing, name)
		case !slices.Contains(d.kindsFor(name), have.kind):
			wrong = append(wrong, fmt.Sprintf("column %s is %s, want %s", name, have.sqlType,
				strings.Join(d.kindsFor(name), " or ")))
		}
	}
	if len(missing) > 0 {
		wrong = append([]string{"missing columns: " + strings.Join(missing, ", ")}, wrong...)
	}
	return wrong
}

func (t tableSchema) missingKeys() []string {
	var missing []string
	if _, exists := t.columns["id"]; exists && !t.idKey {
		missing = append(missing, "id needs a primary key or a unique index over id alone, with exact comparison and not deferrable")
	}
	if _, exists := t.columns["email"]; exists && len(t.emailKeys) == 0 {
		missing = append(missing, "email needs a unique index over email alone and over all rows")
	}
	return missing
}

func (t tableSchema) requiredForeign() []string {
	var names []string
	for _, name := range t.foreign {
		if t.columns[name].required {
			names = append(names, name)
		}
	}
	return names
}

// missingPrivileges returns the privileges that the statements need and the login lacks. Privileges on the owned
// columns are enough.
func (t tableSchema) missingPrivileges() []string {
	lacks := func(privilege string, has func(column) bool, names []string) string {
		for _, name := range names {
			if have, exists := t.columns[name]; exists && !has(have) {
				return privilege
			}
		}
		return ""
	}
	missing := []string{
		lacks("SELECT", func(c column) bool { return c.selectable }, ownedColumns()),
		lacks("INSERT", func(c column) bool { return c.insertable }, ownedColumns()),
		lacks("UPDATE", func(c column) bool { return c.updateable }, updatedColumns()),
	}
	if !t.deletable {
		missing = append(missing, "DELETE")
	}
	return slices.DeleteFunc(missing, func(privilege string) bool { return privilege == "" })
}
