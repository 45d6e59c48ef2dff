package store

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/fitai/fituser-operator/internal/user"
)

// problems returns all reasons why the table cannot be used, so that one migration can fix them.
func (t *tableSchema) problems() []string {
	switch t.relation {
	case "":
		return []string{"there is no table " + t.name() + " in " + t.location}
	case "table":
	default:
		return []string{t.name() + " is a " + t.relation + ", want a table: name the table behind it in the mapping file"}
	}
	problems := slices.Concat(t.wrongColumns(), t.wrongNulls(), t.wrongTimes(), t.wrongRoles(), t.missingKeys(), t.obstacles)
	if names := t.requiredForeign(); len(names) > 0 {
		problems = append(problems, "NOT NULL without a default, so that no row can be inserted: "+strings.Join(names, ", "))
	}
	if privileges := t.missingPrivileges(); len(privileges) > 0 {
		problems = append(problems, "the database user lacks the privileges "+strings.Join(privileges, ", ")+" on "+t.name())
	}
	if t.readOnly && len(problems) > 0 {
		problems = append(problems, "the database is read-only")
	}
	return problems
}

// nextStep is what to do when there is no such table.
func (t *tableSchema) nextStep() string {
	switch {
	case t.relation != "":
		return ""
	case t.isDefault():
		return "run the application's migrations, or start the operator with --create-table"
	default:
		return "run the application's migrations, or correct the table's name in the mapping file"
	}
}

// usesOf returns what the columns that the operator owns are for, in the order of [tableSchema.ownedColumns].
func (t *tableSchema) usesOf() []use {
	uses := []use{t.keyUse()}
	for _, c := range t.mapping.Columns {
		uses = append(uses, useOf(c.From))
	}
	for len(uses) < len(t.ownedColumns()) { // the times
		uses = append(uses, useTime)
	}
	return uses
}

// kindsFor returns the kinds of column that serve a use.
func (d *dialect) kindsFor(u use) []string {
	kinds := slices.Sorted(maps.Keys(d.codecs[u]))
	if u == useTime {
		kinds = append(kinds, kindInteger)
		slices.Sort(kinds)
	}
	return kinds
}

func (t *tableSchema) wrongColumns() []string {
	var missing, wrong []string
	uses := t.usesOf()
	for i, name := range t.ownedColumns() {
		have := t.column(name)
		kinds := t.dialect.kindsFor(uses[i])
		unwritable := t.unwritable[t.dialect.fold(name)]
		switch {
		case unwritable != "":
			wrong = append(wrong, "column "+name+" "+unwritable)
		case have.name == "":
			missing = append(missing, name)
		case !slices.Contains(kinds, have.kind):
			wrong = append(wrong, fmt.Sprintf("column %s is %s, want %s", name, have.sqlType, strings.Join(kinds, " or ")))
		}
	}
	if len(missing) > 0 {
		wrong = append([]string{"missing columns: " + strings.Join(missing, ", ")}, wrong...)
	}
	return wrong
}

// clerkIDLength is how many characters Clerk's ids have: user_ and a KSUID.
const clerkIDLength = 32

// wrongNulls returns the columns that cannot hold the absence of a value, or a key.
func (t *tableSchema) wrongNulls() []string {
	var wrong []string
	if key := t.column(t.mapping.Key.Column); t.keyUse() == useKey && key.length > 0 && key.length < clerkIDLength {
		wrong = append(wrong, fmt.Sprintf("column %s holds %d characters, and a Clerk id has %d: make it longer", key.name, key.length, clerkIDLength))
	}
	for _, c := range t.mapping.Columns {
		have := t.column(c.Name)
		if have.name == "" || have.nullable || !t.needsNull(c) {
			continue
		}
		leaveOut := "remove it from extra in the mapping file"
		if !c.From.IsExtra() {
			leaveOut = "set " + string(c.From) + ": null under columns in the mapping file"
		}
		wrong = append(wrong, fmt.Sprintf("column %s is NOT NULL, and not every user has a value for it: make it nullable, or %s", c.Name, leaveOut))
	}
	return wrong
}

// needsNull reports whether the column must hold SQL NULL for a user without a value.
func (t *tableSchema) needsNull(c user.Column) bool {
	kind := t.column(c.Name).kind
	switch useOf(c.From) {
	case useTime:
		return true
	case useValue:
		return kind != kindText && kind != kindJSON
	case useText:
		return c.From == user.FieldPhone || kind == kindUUID
	default:
		return false
	}
}

func (t *tableSchema) missingKeys() []string {
	var missing []string
	key, email := t.mapping.Key.Column, t.mapping.NameOf(user.FieldEmail)
	if t.column(key).name != "" && !t.uniqueKey {
		missing = append(missing, fmt.Sprintf("%[1]s needs a primary key or a unique index over %[1]s alone, with exact comparison and not deferrable", key))
	}
	if email != "" && t.column(email).name != "" && len(t.emailKeys) == 0 {
		missing = append(missing, fmt.Sprintf("%[1]s needs a unique index over %[1]s alone and over all rows", email))
	}
	return missing
}

func (t *tableSchema) requiredForeign() []string {
	var names []string
	for _, name := range t.foreign {
		if t.column(name).required {
			names = append(names, name)
		}
	}
	return names
}

// missingPrivileges returns the privileges that the statements need and the login lacks. Privileges on the owned
// columns are enough.
func (t *tableSchema) missingPrivileges() []string {
	lacks := func(privilege string, has func(column) bool, names []string) string {
		for _, name := range names {
			if have := t.column(name); have.name != "" && !has(have) {
				return privilege
			}
		}
		return ""
	}
	missing := []string{
		lacks("SELECT", func(c column) bool { return c.selectable }, t.ownedColumns()),
		lacks("INSERT", func(c column) bool { return c.insertable }, t.ownedColumns()),
		lacks("UPDATE", func(c column) bool { return c.updateable }, t.updatedColumns()),
	}
	if !t.deletable {
		missing = append(missing, "DELETE")
	}
	return slices.DeleteFunc(missing, func(privilege string) bool { return privilege == "" })
}
