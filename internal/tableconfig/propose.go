package tableconfig

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/fitai/fituser-operator/internal/store"
	"github.com/fitai/fituser-operator/internal/user"
)

// Proposal is a table that looks as if it held the users, and the mapping that would fit it.
type Proposal struct {
	Table   store.TableInfo
	Mapping *user.Mapping
	// Notes are what a person should check.
	Notes Notes
	// Score is higher for a table that looks more like one of users.
	Score int
}

// YAML returns the mapping as a file, with the notes.
func (p Proposal) YAML() ([]byte, error) { return MarshalWithNotes(p.Mapping, p.Notes) }

// TableName returns the table's name as a mapping file has it.
func (p Proposal) TableName() string { return tableName(p.Mapping) }

// Propose returns a proposal for each table that looks as if it held users, the best first. It compares names and types only,
// and never values.
func Propose(tables []store.TableInfo, roles user.Roles) []Proposal {
	var all []Proposal
	for _, table := range tables {
		g := guess{table: table, roles: roles, notes: Notes{}, used: map[string]bool{}}
		if proposal := g.propose(); proposal.Score > 0 {
			all = append(all, proposal)
		}
	}
	slices.SortStableFunc(all, func(a, b Proposal) int {
		return cmp.Or(cmp.Compare(b.Score, a.Score), cmp.Compare(a.Table.Schema, b.Table.Schema), cmp.Compare(a.Table.Name, b.Table.Name))
	})
	return all
}

// guess is the mapping of one table in the making.
type guess struct {
	table store.TableInfo
	roles user.Roles
	notes Notes
	// used are the names of the columns that hold something already.
	used  map[string]bool
	score int
	// identified is true when the table has a Clerk id or an address.
	identified bool
}

func (g *guess) propose() Proposal {
	m := &user.Mapping{Table: g.table.Name, AdoptRows: user.AdoptNever}
	if !g.table.Visible {
		m.Schema = g.table.Schema
	}
	g.key(m)
	g.fields(m)
	m.CreatedAt, m.UpdatedAt = g.time(createdAt), g.time(updatedAt)
	g.softDelete()
	g.extra(m)
	g.times(m)
	g.roleNames(m)
	byName := g.nameScore()
	if !g.identified && (byName < userName || len(m.Columns) == 0) || checkNames(m) != nil {
		return Proposal{}
	}
	return Proposal{Table: g.table, Mapping: m, Notes: g.notes, Score: max(0, g.score+byName)}
}

// key finds the column that identifies a user.
func (g *guess) key(m *user.Mapping) {
	m.Key = user.KeyColumn{Column: "id", Holds: user.HoldsClerkID}
	if c := g.take("clerk", isText); c != nil {
		g.score += 40
		g.identified = true
		m.Key.Column = c.Name
		g.notes["key"] = fmt.Sprintf("check: %s holds the Clerk id (user_…). ", c.Name) + g.ownKey()
		if !g.unique(c.Name) {
			g.notes["key"] += " It needs a unique index."
		}
		return
	}
	if len(g.table.PrimaryKey) != 1 || slices.Contains(familiar(string(user.FieldEmail)), plain(g.table.PrimaryKey[0])) {
		g.notes["key"] = "check: no column looks like the Clerk id, and the primary key is none. " + addColumn
		return
	}
	c := g.column(g.table.PrimaryKey[0])
	if c == nil {
		return
	}
	g.used[c.Name] = true
	m.Key.Column = c.Name
	if isText(*c) {
		g.notes["key"] = fmt.Sprintf("check: %s holds Clerk ids (user_…). If it holds ids of the application: %s", c.Name, addColumn)
		return
	}
	m.Key.Holds = user.HoldsExternalID
	g.notes["key"] = fmt.Sprintf("check: %s is %s and cannot hold a Clerk id, so that it must be Clerk's external_id of each user. If it is not: %s",
		c.Name, c.Type, addColumn)
}

const addColumn = "add a text column with a unique index for the Clerk id, such as clerk_id, and name it here."

// ownKey describes the primary key of a table whose key for the operator is another column.
func (g *guess) ownKey() string {
	if len(g.table.PrimaryKey) == 0 {
		return "The table has no primary key."
	}
	text := fmt.Sprintf("The primary key (%s) stays the application's.", strings.Join(g.table.PrimaryKey, ", "))
	if c := g.column(g.table.PrimaryKey[0]); len(g.table.PrimaryKey) == 1 && c != nil && c.Default == "" && !c.Generated {
		text += " It needs a default, for the rows that the operator inserts."
	}
	return text
}

func (g *guess) fields(m *user.Mapping) {
	worth := map[user.Field]int{user.FieldEmail: 30, user.FieldFirstName: 10, user.FieldLastName: 10, user.FieldRole: 10, user.FieldPhone: 3}
	for _, field := range user.DefaultMapping().Fields() {
		fits := isText
		if field == user.FieldRole {
			fits = func(c store.ColumnInfo) bool { return isText(c) || isInteger(c) || c.EnumLabels != nil }
		}
		c := g.take(string(field), fits)
		if c == nil {
			g.notes["columns."+string(field)] = "no column looks like it"
			continue
		}
		g.score += worth[field]
		m.Columns = append(m.Columns, user.Column{Name: c.Name, From: field})
		if field == user.FieldEmail {
			g.identified = true
		}
		if field == user.FieldEmail && g.unique(c.Name) {
			g.score += 10
		}
	}
}

// time finds the column of one of the two times.
func (g *guess) time(key string) string {
	c := g.take(key, isTime)
	if c == nil {
		g.notes["columns."+key] = "no column looks like it"
		return ""
	}
	g.score += 5
	return c.Name
}

// softDelete proposes a comment only: it changes how the application's rows go.
func (g *guess) softDelete() {
	if c := g.take("softDelete", isTime); c != nil {
		g.notes["softDelete"] = fmt.Sprintf("softDelete: {column: %s, purgeAfter: 720h} would keep a deleted user's row for thirty days",
			scalar(c.Name))
	}
}

// extra proposes further columns. It maps one only where no row can be inserted without it, because the operator writes over
// what a mapped column holds.
func (g *guess) extra(m *user.Mapping) {
	var optional []string
	for _, field := range user.ExtraFields() {
		c := g.take(string(field), fitsExtra(field))
		switch {
		case c == nil:
		case !c.Nullable && c.Default == "":
			m.Columns = append(m.Columns, user.Column{Name: c.Name, From: field})
			g.notes["extra."+string(field)] = "check: the column is NOT NULL without a default, so that the operator must fill it"
		default:
			optional = append(optional, fmt.Sprintf("{column: %s, from: %s}", scalar(c.Name), field))
		}
	}
	if len(optional) > 0 {
		g.notes["extra"] = "possible under extra, and then written over by the operator: " + strings.Join(optional, ", ")
	}
}

func fitsExtra(field user.Field) func(store.ColumnInfo) bool {
	switch field.Kind() {
	case user.BooleanField:
		return func(c store.ColumnInfo) bool { return typeHas(c, "bool") || isInteger(c) }
	case user.TimeField:
		return isTime
	default:
		return isText
	}
}

// times proposes the unit where the defaults show it.
func (g *guess) times(m *user.Mapping) {
	for _, name := range []string{m.CreatedAt, m.UpdatedAt} {
		c := g.column(name)
		if c == nil || !isInteger(*c) {
			continue
		}
		if c.TimeUnit != "" {
			m.Times = c.TimeUnit
			g.notes["times"] = fmt.Sprintf("check: the default of %s is in %s", name, c.TimeUnit)
			return
		}
		g.notes["times"] = fmt.Sprintf("check: %s is an integer: times: seconds, or times: milliseconds? Without it, the rows decide.", name)
	}
}

// roleNames proposes how the column spells the roles, where an enum shows it.
func (g *guess) roleNames(m *user.Mapping) {
	c := g.column(m.NameOf(user.FieldRole))
	switch {
	case c == nil:
	case isInteger(*c):
		g.notes["roles"] = fmt.Sprintf("check: %s is a number. Set which one each role is, such as roles: {%s: %q}", c.Name, g.roles.Default(), "0")
	case c.EnumLabels != nil:
		g.enumRoles(m, c)
	case c.Default != "" && !g.spells(c.Default, string(g.roles.Default())):
		g.notes["roles"] = fmt.Sprintf("check: the default of %s is %s, and the default role is %s: roles: {ROLE: TEXT, …} sets how the column spells each one",
			c.Name, c.Default, g.roles.Default())
	}
}

func (g *guess) enumRoles(m *user.Mapping, c *store.ColumnInfo) {
	names, open := map[user.Role]user.Role{}, []string{}
	for _, role := range g.roles.Names() {
		label := g.label(c, role)
		if label == "" {
			open = append(open, string(role))
		} else if label != string(role) {
			names[role] = user.Role(label)
		}
	}
	if len(names) > 0 {
		m.RoleNames = names
	}
	switch labels := strings.Join(c.EnumLabels, ", "); {
	case len(open) > 0:
		g.notes["roles"] = fmt.Sprintf("check: %s allows %s. Set how it spells %s, or leave those roles out of --roles.", c.Name, labels, strings.Join(open, ", "))
	case len(names) > 0:
		g.notes["roles"] = "check: " + c.Name + " allows " + labels
	}
}

// label returns how an enum spells a role. The default of the column is what the default role is called there.
func (g *guess) label(c *store.ColumnInfo, role user.Role) string {
	for _, label := range c.EnumLabels {
		if plain(label) == plain(string(role)) {
			return label
		}
	}
	if role != g.roles.Default() {
		return ""
	}
	for _, label := range c.EnumLabels {
		isRole := slices.ContainsFunc(g.roles.Names(), func(r user.Role) bool { return plain(string(r)) == plain(label) })
		if g.spells(c.Default, label) && !isRole {
			return label
		}
	}
	return ""
}

// spells reports whether the SQL of a default is this text, as 'client' and 'client'::text are.
func (g *guess) spells(standard, text string) bool {
	literal, _, _ := strings.Cut(standard, "::")
	return strings.Trim(literal, `'"() `) == text
}
