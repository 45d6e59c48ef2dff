package inspect

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/fitai/fituser-operator/internal/store"
	"github.com/fitai/fituser-operator/internal/tableconfig"
	"github.com/fitai/fituser-operator/internal/user"
)

// TableQuestion asks whether the users table is as its mapping has it. It needs neither Clerk nor a cluster.
type TableQuestion struct {
	// File is the mapping file; empty without one.
	File    string
	Mapping *user.Mapping
	Roles   user.Roles
	// Open opens the database with a mapping, for reading.
	Open func(*user.Mapping) (*store.DB, error)
}

// TableAnswer is the mapping in force, the table as found, and what differs.
type TableAnswer struct {
	File string `json:"file,omitempty"`
	// Mapping is the mapping in force as YAML.
	Mapping string `json:"mapping"`
	// Table is nil when there is no such table.
	Table       *FoundTable  `json:"table,omitempty"`
	Differences []Difference `json:"differences"`
	// Proposal is nil when the table fits, and when no table would fit better.
	Proposal *TableProposal `json:"proposal,omitempty"`
	// Candidates are the names of all tables that look as if they held users, the best first.
	Candidates []string `json:"candidates"`
}

// FoundTable is a table as the database has it.
type FoundTable struct {
	Name    string        `json:"name"`
	Columns []FoundColumn `json:"columns"`
}

// FoundColumn is a column of the table, and what the mapping uses it for.
type FoundColumn struct {
	Name     string   `json:"name"`
	Type     string   `json:"type"`
	Nullable bool     `json:"nullable"`
	Default  string   `json:"default,omitempty"`
	Unique   []string `json:"unique"`
	// Holds is the key of the mapping file, such as columns.email; empty for a column that the operator does not own.
	Holds string `json:"holds,omitempty"`
}

// Difference is one reason why the table cannot be used.
type Difference struct {
	Problem  string `json:"problem"`
	NextStep string `json:"nextStep,omitempty"`
}

// TableProposal is a mapping that would fit better.
type TableProposal struct {
	Table string `json:"table"`
	// Mapping is YAML with comments.
	Mapping string `json:"mapping"`
	// Differences are what would remain.
	Differences []Difference `json:"differences"`
}

// Differs reports whether the table is not as its mapping has it.
func (a TableAnswer) Differs() bool { return len(a.Differences) > 0 }

// Answer reads the table, and the database's catalogs.
func (q TableQuestion) Answer(ctx context.Context) (answer TableAnswer, err error) {
	yaml, err := tableconfig.Marshal(q.Mapping)
	if err != nil {
		return TableAnswer{}, err
	}
	db, err := q.Open(q.Mapping)
	if err != nil {
		return TableAnswer{}, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	answer = TableAnswer{File: q.File, Mapping: string(yaml), Candidates: []string{}}
	if answer.Differences, err = differences(db.Check(ctx)); err != nil {
		return TableAnswer{}, err
	}
	tables, err := db.Catalog(ctx)
	if err != nil {
		return TableAnswer{}, err
	}
	if i := slices.IndexFunc(tables, func(t store.TableInfo) bool { return t.Mapped }); i >= 0 {
		answer.Table = foundTable(tables[i], q.Mapping, db.SameName)
	}
	proposals := tableconfig.Propose(tables, q.Roles)
	for _, proposal := range proposals {
		answer.Candidates = append(answer.Candidates, proposal.TableName())
	}
	if answer.Differs() {
		answer.Proposal, err = q.proposal(ctx, proposals, answer)
	}
	return answer, err
}

// proposal returns the mapping of the mapped table or, where that fits no better, of the best table; nil when neither does.
func (q TableQuestion) proposal(ctx context.Context, proposals []tableconfig.Proposal, answer TableAnswer) (*TableProposal, error) {
	tried := proposals[:min(1, len(proposals))]
	if i := slices.IndexFunc(proposals, func(p tableconfig.Proposal) bool { return p.Table.Mapped }); i > 0 {
		tried = []tableconfig.Proposal{proposals[i], proposals[0]}
	}
	for _, proposal := range tried {
		if found, err := q.tryProposal(ctx, proposal, answer); found != nil || err != nil {
			return found, err
		}
	}
	return nil, nil //nolint:nilnil // no proposal is an answer
}

// tryProposal checks the table with the proposed mapping. It returns nil when that fits no better than the mapping in force.
func (q TableQuestion) tryProposal(ctx context.Context, proposal tableconfig.Proposal, answer TableAnswer) (found *TableProposal, err error) {
	yaml, err := proposal.YAML()
	if err != nil {
		return nil, err
	}
	db, err := q.Open(proposal.Mapping)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	remaining, err := differences(db.Check(ctx))
	if err != nil || answer.Table != nil && len(remaining) >= len(answer.Differences) {
		return nil, err
	}
	return &TableProposal{Table: proposal.TableName(), Mapping: string(yaml), Differences: remaining}, nil
}

// differences returns what a check found. The error is one that kept the check from its end.
func differences(found error) ([]Difference, error) {
	list := []Difference{}
	var mismatch *store.SchemaError
	switch {
	case found == nil:
	case errors.As(found, &mismatch):
		for _, problem := range mismatch.Problems {
			list = append(list, Difference{Problem: problem, NextStep: nextStep(problem, mismatch.NextStep)})
		}
	case errors.Is(found, store.ErrReadOnly):
		list = append(list, Difference{Problem: found.Error(), NextStep: "set DATABASE_URL to the server that accepts writes"})
	default:
		return nil, found
	}
	return list, nil
}

// nextStep returns what a person can do. The texts of the check that are not listed contain it themselves.
func nextStep(problem, missing string) string {
	for _, known := range []struct{ part, step string }{
		{"there is no table ", missing},
		{"missing columns: ", "add them, or name the table's own in the mapping file: null for a field that has no column"},
		{"needs a primary key or a unique index", "create a unique index over this column"},
		{"needs a unique index over", "create a unique index over this column; give the rows with equal addresses other ones before"},
		{"NOT NULL without a default", "give each column a default, let it be null, or name a source for it under extra in the mapping file"},
		{"lacks the privileges", "grant them to the user of DATABASE_URL"},
	} {
		if strings.Contains(problem, known.part) {
			return known.step
		}
	}
	if strings.HasPrefix(problem, "column ") && strings.Contains(problem, ", want ") {
		return "change the column's type, or name another column in the mapping file"
	}
	return ""
}

// foundTable describes a table with what the mapping uses each column for.
func foundTable(t store.TableInfo, m *user.Mapping, same func(a, b string) bool) *FoundTable {
	found := &FoundTable{Name: t.Name, Columns: []FoundColumn{}}
	if !t.Visible {
		found.Name = t.Schema + "." + t.Name
	}
	uses := mappedColumns(m)
	for _, c := range t.Columns {
		column := FoundColumn{Name: c.Name, Type: c.Type, Nullable: c.Nullable, Default: c.Default, Unique: uniques(t, c.Name)}
		if c.EnumLabels != nil {
			column.Type += " (" + strings.Join(c.EnumLabels, ", ") + ")"
		}
		if c.Generated {
			column.Default = "generated"
		}
		if i := slices.IndexFunc(uses, func(u mappedColumn) bool { return same(u.name, c.Name) }); i >= 0 {
			column.Holds = uses[i].path
		}
		found.Columns = append(found.Columns, column)
	}
	return found
}

// uniques returns the indexes that keep a column unique, alone or with others.
func uniques(t store.TableInfo, name string) []string {
	list := []string{}
	describe := func(kind string, columns []string) {
		if !slices.Contains(columns, name) {
			return
		}
		if others := slices.DeleteFunc(slices.Clone(columns), func(c string) bool { return c == name }); len(others) > 0 {
			kind += " with " + strings.Join(others, ", ")
		}
		list = append(list, kind)
	}
	describe("primary key", t.PrimaryKey)
	for _, columns := range t.Unique {
		describe("unique", columns)
	}
	return list
}

// mappedColumn is a column of the mapping, and its key in the mapping file.
type mappedColumn struct{ name, path string }

func mappedColumns(m *user.Mapping) []mappedColumn {
	list := []mappedColumn{{m.Key.Column, fmt.Sprintf("key (%s)", m.Key.Holds)}}
	for _, c := range m.Columns {
		path := "columns." + string(c.From)
		if c.From.IsExtra() {
			path = "extra, from " + string(c.From)
		}
		list = append(list, mappedColumn{c.Name, path})
	}
	list = append(list, mappedColumn{m.CreatedAt, "columns.createdAt"}, mappedColumn{m.UpdatedAt, "columns.updatedAt"})
	if m.SoftDelete != nil {
		list = append(list, mappedColumn{m.SoftDelete.Column, "softDelete"})
	}
	return slices.DeleteFunc(list, func(c mappedColumn) bool { return c.name == "" })
}
