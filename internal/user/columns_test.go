package user_test

import (
	"reflect"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fitai/fituser-operator/internal/user"
)

// textFields returns the addresses of all fields of a record that hold text, by name.
func textFields(record any) map[string]reflect.Value {
	value := reflect.ValueOf(record).Elem()
	fields := map[string]reflect.Value{}
	for i := range value.NumField() {
		if value.Field(i).Kind() == reflect.String {
			fields[value.Type().Field(i).Name] = value.Field(i)
		}
	}
	return fields
}

// filled returns a user with a different text in every text field.
func filled() user.User {
	u := user.User{CreatedAt: signedUp}
	for name, field := range textFields(&u) {
		field.SetString("text of " + name)
	}
	return u
}

// A field of Row that is not in the table would neither be compared nor written.
func TestCells_ContainEveryTextFieldOfRowOnce(t *testing.T) {
	t.Parallel()
	var row user.Row
	fields := textFields(&row)
	delete(fields, "ID")
	for _, cell := range row.Cells() {
		found := 0
		for name, field := range fields {
			if field.Addr().Pointer() == reflect.ValueOf(cell.Text).Pointer() {
				found++
				delete(fields, name)
			}
		}
		if found != 1 {
			t.Errorf("column %q is bound to %d fields that no other column has, want 1", cell.Column, found)
		}
	}
	for name := range fields {
		t.Errorf("Row.%s is missing from Row.Cells", name)
	}
}

func TestColumns_HaveUniqueNames(t *testing.T) {
	t.Parallel()
	columns := user.Columns()
	slices.Sort(columns)
	if unique := slices.Compact(slices.Clone(columns)); len(unique) != len(columns) || unique[0] == "" {
		t.Errorf("columns %q: want each name once, and none empty", columns)
	}
}

func TestColumns_EachIsComparedAndFingerprinted(t *testing.T) {
	t.Parallel()
	f, row := user.NewFingerprinter(), user.DesiredRow(filled(), user.Trainer)
	for i, column := range user.Columns() {
		changed := row
		*changed.Cells()[i].Text += "x"
		if diff := cmp.Diff([]user.Column{column}, row.Diff(changed)); diff != "" {
			t.Errorf("columns that differ (-want +got):\n%s", diff)
		}
		if f.Fingerprint(row) == f.Fingerprint(changed) {
			t.Errorf("rows that differ in %s have equal fingerprints", column)
		}
	}
}

func TestColumn_OfReturnsTheTextOfTheColumn(t *testing.T) {
	t.Parallel()
	row := user.DesiredRow(filled(), user.Trainer)
	for i, column := range user.Columns() {
		if got, want := column.Of(&row), *row.Cells()[i].Text; got != want || got == "" {
			t.Errorf("%s.Of = %q, want %q", column, got, want)
		}
	}
	if got := user.Column("password").Of(&row); got != "" {
		t.Errorf("a column that is not owned has the text %q", got)
	}
}

// DesiredRow and Row.User list the fields by hand.
func TestDesiredRow_FillsEveryColumn(t *testing.T) {
	t.Parallel()
	u := filled()
	row := user.DesiredRow(u, user.Trainer)
	inClerk, inRow := textFields(&u), textFields(&row)
	for name, field := range inRow {
		want := inClerk[name].String()
		if name == "Role" {
			want = string(user.Trainer)
		}
		if field.String() != want {
			t.Errorf("Row.%s is %q, want %q", name, field.String(), want)
		}
	}
	if !row.CreatedAt.Equal(u.CreatedAt) {
		t.Errorf("CreatedAt is %s, want %s", row.CreatedAt, u.CreatedAt)
	}
}

func TestRowUser_HasEveryValueOfTheRow(t *testing.T) {
	t.Parallel()
	row := user.DesiredRow(filled(), user.Trainer)
	if diff := cmp.Diff(row, user.DesiredRow(row.User(), user.Role(row.User().Role))); diff != "" {
		t.Errorf("row (-want +got):\n%s", diff)
	}
}

// A sweep calls both for every user.
func TestRow_ComparisonDoesNotAllocate(t *testing.T) {
	f, row := user.NewFingerprinter(), user.DesiredRow(filled(), user.Trainer)
	same := row
	for name, compare := range map[string]func(){
		"Diff of equal rows": func() { _ = row.Diff(same) },
		"Fingerprint":        func() { _ = f.Fingerprint(row) },
		"Column.Of":          func() { _ = user.ColumnPhone.Of(&row) },
	} {
		if got := testing.AllocsPerRun(100, compare); got != 0 {
			t.Errorf("%s allocates %v times, want 0", name, got)
		}
	}
}
