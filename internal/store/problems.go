package store

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/fitai/fituser-operator/internal/user"
)

// problems says what keeps the table from being used: everything, so that one migration can mend it.
func (t shape) problems(d *dialect) []string {
	switch t.relation {
	case "":
		return []string{"there is no table users in " + t.place +
			"; run the application's migrations, or start the operator with --create-table"}
	case "table":
	default:
		return []string{"users is a " + t.relation + ", wanted is a table"}
	}
	problems := append(t.wrongColumns(d), t.missingKeys()...)
	if names := t.requiredOthers(); len(names) > 0 {
		problems = append(problems, "NOT NULL without a default, so that no row can be inserted: "+strings.Join(names, ", "))
	}
	if rights := t.missingRights(); len(rights) > 0 {
		problems = append(problems, "the database user has no right to "+strings.Join(rights, ", ")+" on users")
	}
	if t.readOnly && len(problems) > 0 {
		problems = append(problems, "the database is read-only")
	}
	return problems
}

// kindsFor are the kinds of column that serve for one of ours. An id is case-sensitive, which citext is not.
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

func (t shape) wrongColumns(d *dialect) []string {
	var missing, wrong []string
	for _, name := range ownedColumns() {
		have, there := t.columns[name]
		switch {
		case !there:
			missing = append(missing, name)
		case !slices.Contains(d.kindsFor(name), have.kind):
			wrong = append(wrong, fmt.Sprintf("column %s is %s, wanted is %s", name, have.sqlType,
				strings.Join(d.kindsFor(name), " or ")))
		}
	}
	if len(missing) > 0 {
		wrong = append([]string{"missing columns: " + strings.Join(missing, ", ")}, wrong...)
	}
	return wrong
}

func (t shape) missingKeys() []string {
	var missing []string
	if _, there := t.columns["id"]; there && !t.idKey {
		missing = append(missing, "id is neither primary key nor unique by itself, by exact comparison and not deferrable")
	}
	if _, there := t.columns["email"]; there && len(t.emailKeys) == 0 {
		missing = append(missing, "no unique index is over email alone and over all rows")
	}
	return missing
}

func (t shape) requiredOthers() []string {
	var names []string
	for _, name := range t.others {
		if t.columns[name].required {
			names = append(names, name)
		}
	}
	return names
}

// missingRights asks for no more than the statements need: rights on our columns are enough.
func (t shape) missingRights() []string {
	lacks := func(right string, has func(column) bool, names []string) string {
		for _, name := range names {
			if have, there := t.columns[name]; there && !has(have) {
				return right
			}
		}
		return ""
	}
	rights := []string{
		lacks("SELECT", func(c column) bool { return c.selectable }, ownedColumns()),
		lacks("INSERT", func(c column) bool { return c.insertable }, ownedColumns()),
		lacks("UPDATE", func(c column) bool { return c.updateable }, updatedColumns()),
	}
	if !t.deletable {
		rights = append(rights, "DELETE")
	}
	return slices.DeleteFunc(rights, func(right string) bool { return right == "" })
}
