package hrana

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// execute executes one statement.
func (s session) execute(ctx context.Context, st stmt) (*stmtResult, error) {
	text, err := s.text(st.SQL, st.SQLID)
	if err != nil {
		return nil, err
	}
	if err := refuse(text); err != nil {
		return nil, err
	}
	args, err := bind(parametersOf(text), st)
	if err != nil {
		return nil, err
	}
	if s.busy {
		return nil, &refusal{Code: "SQLITE_BUSY", Message: "SQLite error: database is locked"}
	}
	return s.query(ctx, text, args, st.WantRows == nil || *st.WantRows)
}

// bind returns the value of each parameter, by the rules of sqld: a parameter with a name takes no positional value.
func bind(parameters []parameter, st stmt) ([]driver.NamedValue, error) {
	if len(st.Args) > 0 && len(st.NamedArgs) > 0 {
		return nil, &refusal{Code: "ARGS_BOTH_POSITIONAL_AND_NAMED",
			Message: "Specifying both positional and named arguments is not supported"}
	}
	if given := len(st.Args) + len(st.NamedArgs); given > len(parameters) {
		return nil, argsInvalid("too many parameters, expected %d found %d", len(parameters), given)
	}
	named := map[string][]byte{}
	for _, arg := range st.NamedArgs {
		named[arg.Name] = arg.Value
	}
	var bound []driver.NamedValue
	for i, p := range parameters {
		var data []byte
		var made driver.NamedValue
		switch {
		case p.name != "":
			data = named[p.name]
			if data == nil {
				data = named[p.name[1:]]
			}
			// The driver takes $1 for a number before it looks for a name; no parameter has this number.
			made = driver.NamedValue{Name: p.name[1:], Ordinal: 1_000_000 + i}
		case p.number <= len(st.Args):
			data = st.Args[p.number-1]
			made = driver.NamedValue{Ordinal: p.number}
		}
		if data == nil {
			return nil, argsInvalid("value for parameter %s not found", p)
		}
		v, err := fromWire(data)
		if err != nil {
			return nil, err
		}
		made.Value = v
		bound = append(bound, made)
	}
	return bound, nil
}

func argsInvalid(format string, args ...any) error {
	return &refusal{Code: "ARGS_INVALID", Message: "Arguments do not match SQL parameters: " + fmt.Sprintf(format, args...)}
}

// query executes the statement on the stream's connection, below database/sql, which would convert values.
func (s session) query(ctx context.Context, text string, args []driver.NamedValue, wantRows bool) (*stmtResult, error) {
	made := &stmtResult{Cols: []col{}, Rows: [][]any{}}
	err := s.raw(func(on driver.QueryerContext) error {
		before, err := counters(ctx, on)
		if err != nil {
			return err
		}
		if err := made.read(ctx, on, text, args, wantRows); err != nil {
			return err
		}
		after, err := counters(ctx, on)
		if err == nil && after[2] != before[2] {
			made.Affected = after[0]
		}
		if isInsert(text) {
			id := strconv.FormatInt(after[1], 10)
			made.LastInsertID = &id
		}
		return err
	})
	if err != nil {
		return nil, s.refusalOf(err)
	}
	return made, nil
}

func (s session) raw(work func(driver.QueryerContext) error) error {
	return s.stream.conn.Raw(func(of any) error {
		on, can := of.(driver.QueryerContext)
		if !can {
			return errors.New("the driver cannot query")
		}
		return work(on)
	})
}

// read executes the statement and keeps its columns and rows.
func (r *stmtResult) read(ctx context.Context, on driver.QueryerContext, text string, args []driver.NamedValue, keep bool) error {
	rows, err := on.QueryContext(ctx, text, args)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	names := rows.Columns()
	types, _ := rows.(driver.RowsColumnTypeDatabaseTypeName)
	for i, name := range names {
		r.Cols = append(r.Cols, col{Name: name})
		if types != nil && types.ColumnTypeDatabaseTypeName(i) != "" {
			declared := types.ColumnTypeDatabaseTypeName(i)
			r.Cols[i].DeclType = &declared
		}
	}
	values := make([]driver.Value, len(names))
	for {
		err := rows.Next(values)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if keep {
			row := make([]any, len(values))
			for i, v := range values {
				row[i] = toWire(v)
			}
			r.Rows = append(r.Rows, row)
		}
	}
}

// counters returns changes(), last_insert_rowid() and total_changes().
func counters(ctx context.Context, on driver.QueryerContext) ([3]int64, error) {
	var found [3]int64
	rows, err := on.QueryContext(ctx, "SELECT changes(), last_insert_rowid(), total_changes()", nil)
	if err != nil {
		return found, err
	}
	defer func() { _ = rows.Close() }()
	values := make([]driver.Value, len(found))
	if err := rows.Next(values); err != nil {
		return found, err
	}
	for i, v := range values {
		number, isNumber := v.(int64)
		if !isNumber {
			return found, fmt.Errorf("a counter is a %T", v)
		}
		found[i] = number
	}
	return found, nil
}

// sequence executes statements until one fails.
func (s session) sequence(ctx context.Context, request streamRequest) error {
	text, err := s.text(request.SQL, request.SQLID)
	if err != nil {
		return err
	}
	if s.busy {
		return &refusal{Code: "SQLITE_BUSY", Message: "SQLite error: database is locked"}
	}
	if _, err := s.stream.conn.ExecContext(ctx, text); err != nil {
		return s.refusalOf(err)
	}
	return nil
}

// autocommit reports whether the stream is outside a transaction. SQLite refuses a transaction inside another.
func (s session) autocommit(ctx context.Context) (bool, error) {
	if _, err := s.stream.conn.ExecContext(ctx, "BEGIN"); err != nil {
		if strings.Contains(err.Error(), "within a transaction") {
			return false, nil
		}
		return false, err
	}
	_, err := s.stream.conn.ExecContext(ctx, "ROLLBACK")
	return true, err
}
