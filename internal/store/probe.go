package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"unicode"

	"github.com/fitai/fituser-operator/internal/user"
)

// readRoles finds out which of the roles the column does not take. An enum, a CHECK or a foreign key that knows other roles
// would refuse users one by one, long after the start.
func (db *DB) readRoles(ctx context.Context, tx *sql.Tx, table *tableSchema) error {
	column := table.column(table.mapping.NameOf(user.FieldRole))
	if len(db.roles.Names()) == 0 || column.name == "" || db.dialect.candidate == "" && !db.dialect.probesRoles {
		return nil
	}
	guards, err := db.roleGuards(ctx, tx, column.name)
	var refusal *Error
	if errors.As(db.classify(err), &refusal) && errors.Is(refusal, errStale) {
		return nil // an old server without such a catalog
	}
	if err != nil {
		return err
	}
	probe := roleProbe{db: db, tx: tx, table: table, column: column, guards: guards, known: map[string]bool{}}
	table.roles = judgeRoles(db.roles.Names(), table.mapping.SpelledRole, !db.dialect.probesRoles, func(text string) bool { return probe.takes(ctx, text) })
	if probe.unable {
		table.roles = roleJudgement{}
	}
	return probe.err
}

func (db *DB) roleGuards(ctx context.Context, tx *sql.Tx, column string) (guards []string, err error) {
	if db.dialect.roleGuards == "" {
		return nil, nil
	}
	query := db.dialect.statement(db.dialect.roleGuards)
	args := append(db.dialect.tableArgs(db.mapping), column)
	err = eachRow(ctx, tx, query.text, query.args(args), func(rows *sql.Rows) error {
		var guard string
		err := rows.Scan(&guard)
		guards = append(guards, guard)
		return err
	})
	return guards, err
}

// roleProbe asks the database which texts the column of the role takes. Everything happens in savepoints that are rolled
// back.
type roleProbe struct {
	db     *DB
	tx     *sql.Tx
	table  *tableSchema
	column column
	// guards are conditions over candidate, a table with the column alone.
	guards []string
	known  map[string]bool

	// unable is true when a row cannot be written for a reason that does not concern the row.
	unable bool
	err    error
}

func (p *roleProbe) takes(ctx context.Context, text string) bool {
	if taken, asked := p.known[text]; asked || p.err != nil || p.unable {
		return taken
	}
	p.known[text] = (p.column.length == 0 || len(text) <= p.column.length) && p.allows(ctx, text) &&
		(!p.db.dialect.probesRoles || p.inserts(ctx, text))
	return p.known[text]
}

// allows evaluates the guards. They are evaluated by queries, which no trigger sees. A guard that cannot be evaluated, such
// as one that needs another column, counts as met.
func (p *roleProbe) allows(ctx context.Context, text string) bool {
	d := p.db.dialect
	if d.candidate == "" {
		return true
	}
	name := d.quote(p.column.name)
	candidate := fmt.Sprintf(d.candidate, name, p.table.quotedName(), p.column.sqlType)
	for _, guard := range append([]string{"candidate." + name + " IS NOT NULL"}, p.guards...) { // a type may not take the text
		query := d.statement("SELECT coalesce(" + guard + ", true) FROM (" + candidate + ") AS candidate")
		var met bool
		took := p.attempt(ctx, func() error { return p.tx.QueryRowContext(ctx, query.text, query.args([]any{text})...).Scan(&met) })
		if p.err != nil {
			return false
		}
		if unable := p.unable; unable {
			p.unable = false
		} else if !took || !met {
			return false
		}
	}
	return true
}

// inserts inserts a row with the role.
func (p *roleProbe) inserts(ctx context.Context, text string) bool {
	s := p.table.statements()
	row := probeRow(s, text)
	row.CreatedAt = p.db.now()
	values, err := s.putValues(&row, p.db.now().UnixMilli())
	return err == nil && p.attempt(ctx, func() error { return s.putRow(ctx, p.tx, values) })
}

// attempt runs work in a savepoint and rolls it back. It reports whether the database took it.
func (p *roleProbe) attempt(ctx context.Context, work func() error) bool {
	if _, p.err = p.tx.ExecContext(ctx, "SAVEPOINT fituser_probe"); p.err != nil {
		return false
	}
	err := work()
	for _, end := range []string{"ROLLBACK TO SAVEPOINT fituser_probe", "RELEASE SAVEPOINT fituser_probe"} {
		if _, p.err = p.tx.ExecContext(ctx, end); p.err != nil {
			return false
		}
	}
	var refusal *Error
	switch {
	case err == nil:
		return true
	case !errors.As(p.db.classify(err), &refusal):
		p.err = err
	case slices.Contains([]error{ErrInvalidData, ErrTrigger, errRefused, errUnique}, refusal.Class):
	case slices.Contains([]error{errStale, ErrForbidden}, refusal.Class):
		p.unable = true
	default:
		p.err = err
	}
	return false
}

// probeRow returns a row of nobody, as plausible as possible: the application may check ids and addresses.
func probeRow(s *statements, role string) user.Row {
	random := rand.Text()
	row := user.Row{
		ID: user.ID("user_" + random), Email: "fituser." + strings.ToLower(random) + "@probe.invalid",
		FirstName: "Probe", LastName: "Probe", Role: user.Role(role),
	}
	switch s.keyKind {
	case kindUUID:
		row.ID = user.ID(fmt.Sprintf("%x-0000-4000-8000-%x", random[:4], random[4:10]))
	case kindInteger:
		number, _ := rand.Int(rand.Reader, big.NewInt(1<<30)) // it does not fail
		row.ID = user.ID("-" + number.String())
	}
	for _, c := range s.columns {
		if c.From.IsExtra() {
			row.Set(c.From, map[user.FieldKind]string{user.BooleanField: "false"}[c.From.Kind()])
		}
	}
	return row
}

// roleJudgement is what the column of the role does not take.
type roleJudgement struct {
	// refused are the roles as the column would have to hold them.
	refused []string
	// remedy is what to change in the mapping. complete is false when the column does not take some role in any usual spelling.
	remedy   string
	complete bool
}

// judgeRoles finds the roles that the column does not take, and a usual spelling that it does take. A refusal of all roles
// in all spellings proves nothing unless the refusals are certain: something else about the row may be the reason.
func judgeRoles(roles []user.Role, spelled func(user.Role) user.Role, certain bool, takes func(string) bool) roleJudgement {
	judged := roleJudgement{complete: true}
	var entries []string
	anyTaken := false
	for _, role := range roles {
		wanted := string(spelled(role))
		name, taken := wanted, takes(wanted)
		if !taken {
			judged.refused = append(judged.refused, wanted)
			name, taken = respelled(string(role), takes)
		}
		anyTaken = anyTaken || taken
		judged.complete = judged.complete && taken
		if name != string(role) {
			entries = append(entries, string(role)+": "+name)
		}
	}
	if len(judged.refused) == 0 || !anyTaken && !certain {
		return roleJudgement{}
	}
	judged.remedy = "set roles: {" + strings.Join(entries, ", ") + "} in the mapping file"
	if len(entries) == 0 {
		judged.remedy = "remove roles from the mapping file"
	}
	return judged
}

// respelled returns a role in a usual spelling that the column takes.
func respelled(role string, takes func(string) bool) (name string, taken bool) {
	letters := []rune(role)
	capitalized := string(unicode.ToUpper(letters[0])) + string(letters[1:])
	for _, name := range []string{strings.ToUpper(role), capitalized, strings.ToLower(role)} {
		if takes(name) {
			return name, true
		}
	}
	return "…", false
}

// wrongRoles returns the problem of roles that the column does not take.
func (t *tableSchema) wrongRoles() []string {
	if len(t.roles.refused) == 0 {
		return nil
	}
	text := "column " + t.mapping.NameOf(user.FieldRole) + " does not take the roles " + strings.Join(t.roles.refused, ", ") + ": " + t.roles.remedy
	if !t.roles.complete {
		text += ", with the column's own names in place of …, or add the roles to the column's enum, CHECK or table of roles, " +
			"or remove them from --roles"
	}
	return []string{text}
}
