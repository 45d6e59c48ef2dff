package user_test

import (
	"maps"
	"reflect"
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

// everyField is a mapping with a column for every field.
func everyField() *user.Mapping {
	m := user.DefaultMapping()
	for _, f := range append(user.ExtraFields(), "publicMetadata.plan") {
		m.Columns = append(m.Columns, user.Column{Name: "column_" + string(f), From: f})
	}
	return m
}

// A field of Row that no field name reaches would neither be compared nor written.
func TestRow_TextReachesEveryTextFieldOnce(t *testing.T) {
	t.Parallel()
	var row user.Row
	for _, c := range user.DefaultMapping().Columns {
		row.Set(c.From, "text of "+c.Name)
	}
	if len(row.Extra) > 0 {
		t.Errorf("%v are no fields of Row", row.Extra)
	}
	seen := map[string]bool{}
	for name, field := range textFields(&row) {
		if text := field.String(); name != "ID" && (text == "" || seen[text]) {
			t.Errorf("Row.%s has the text %q: want one that no other field has", name, text)
		} else {
			seen[text] = true
		}
	}
}

func TestMapping_EveryColumnIsComparedAndFingerprinted(t *testing.T) {
	t.Parallel()
	m := everyField()
	f, row := user.NewFingerprinter(m), m.DesiredRow(filled(), user.Trainer)
	for _, column := range m.Columns {
		changed := row
		changed.Extra = maps.Clone(row.Extra)
		changed.Set(column.From, row.Text(column.From)+"x")
		if diff := cmp.Diff([]string{column.Name}, m.Diff(row, changed)); diff != "" {
			t.Errorf("columns that differ (-want +got):\n%s", diff)
		}
		if f.Fingerprint(&row) == f.Fingerprint(&changed) {
			t.Errorf("rows that differ in %s have equal fingerprints", column.Name)
		}
	}
}

// The table has no column for what the mapping leaves out, and a row holds nothing of it.
func TestMapping_ColumnsThatTheTableLacksAreNotCompared(t *testing.T) {
	t.Parallel()
	m := user.DefaultMapping()
	m.Columns = m.Columns[:1]
	row := m.DesiredRow(filled(), user.Trainer)
	observed := user.Row{ID: row.ID, Email: row.Email}
	f := user.NewFingerprinter(m)
	if diff := m.Diff(row, observed); diff != nil || f.Fingerprint(&row) != f.Fingerprint(&observed) {
		t.Errorf("columns %v differ", diff)
	}
}

func TestMapping_SoftlyDeletedRowDiffers(t *testing.T) {
	t.Parallel()
	m := user.DefaultMapping()
	m.SoftDelete = &user.SoftDelete{Column: "deleted_at"}
	row := m.DesiredRow(filled(), user.Trainer)
	observed := row
	observed.DeletedAt = signedUp
	f := user.NewFingerprinter(m)
	if diff := cmp.Diff([]string{"deleted_at"}, m.Diff(row, observed)); diff != "" || f.Fingerprint(&row) == f.Fingerprint(&observed) {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestMapping_SpellsRoles(t *testing.T) {
	t.Parallel()
	m := user.DefaultMapping()
	m.RoleNames = map[user.Role]user.Role{user.Admin: "ADMIN"}
	for role, want := range map[user.Role]user.Role{user.Admin: "ADMIN", user.Trainer: "trainer"} {
		row := m.DesiredRow(filled(), role)
		if row.Role != want || m.RoleOf(row) != role {
			t.Errorf("%s is spelled %s and read as %s", role, row.Role, m.RoleOf(row))
		}
	}
	// A text that only looks like a role is not the role: the row must be written.
	if got := m.RoleOf(user.Row{Role: "admin"}); got == user.Admin {
		t.Errorf("the text admin is read as the role %s", got)
	}
}

func TestMapping_KeyOf(t *testing.T) {
	t.Parallel()
	m := user.DefaultMapping()
	u := user.User{ID: "user_jane", ExternalID: "17"}
	if got := m.KeyOf(u); got != "user_jane" {
		t.Errorf("key %s", got)
	}
	m.Key.Holds = user.HoldsExternalID
	if got := m.KeyOf(u); got != "17" {
		t.Errorf("key %s, want the external id", got)
	}
	if got := m.KeyOf(user.User{ID: "user_jane"}); got != "user_jane" {
		t.Errorf("key %s of a user without external id", got)
	}
}

// A column of booleans may have no NULL: an anonymized row must be one that the table takes.
func TestMapping_AnonymizedRowHasBooleans(t *testing.T) {
	t.Parallel()
	m := user.DefaultMapping()
	m.Columns = append(m.Columns, user.Column{Name: "banned", From: user.FieldBanned}, user.Column{Name: "nick", From: user.FieldUsername})
	row := m.AnonymizedRow(user.Row{ID: "7", Extra: map[user.Field]string{user.FieldBanned: "true", user.FieldUsername: "jane"}}, user.Client)
	if row.Text(user.FieldBanned) != "false" || row.Text(user.FieldUsername) != "" {
		t.Errorf("row %v", row)
	}
}

// Columns of whole seconds hold the time of a sign-in as it is written.
func TestMapping_TimesAreWholeSeconds(t *testing.T) {
	t.Parallel()
	m := user.DefaultMapping()
	m.Columns = append(m.Columns, user.Column{Name: "seen", From: user.FieldLastSignInAt})
	for text, want := range map[string]string{"1700000000723": "1700000000000", "": ""} {
		u := user.User{ID: "user_jane", Extra: map[user.Field]string{user.FieldLastSignInAt: text}}
		if row := m.DesiredRow(u, user.Client); row.Text(user.FieldLastSignInAt) != want {
			t.Errorf("%q became %q", text, row.Text(user.FieldLastSignInAt))
		}
	}
}

func TestField_MetadataPath(t *testing.T) {
	t.Parallel()
	for field, want := range map[user.Field][]string{
		"publicMetadata.plan": {"plan"}, "publicMetadata.a.b": {"a", "b"}, "publicMetadata.": nil, "publicMetadata.a..b": nil,
		"publicMetadata": nil, "email": nil,
	} {
		path, _ := field.MetadataPath()
		if diff := cmp.Diff(want, path); diff != "" || want == nil && field.IsExtra() {
			t.Errorf("%s (-want +got):\n%s", field, diff)
		}
	}
}

// DesiredRow and Row.User list the fields by hand.
func TestDesiredRow_FillsEveryColumn(t *testing.T) {
	t.Parallel()
	u := filled()
	row := desiredRow(u, user.Trainer)
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
	row := desiredRow(filled(), user.Trainer)
	if diff := cmp.Diff(row, desiredRow(row.User(), user.Role(row.User().Role))); diff != "" {
		t.Errorf("row (-want +got):\n%s", diff)
	}
}

// A sweep calls both for every user.
func TestRow_ComparisonDoesNotAllocate(t *testing.T) {
	m := user.DefaultMapping()
	f, row := user.NewFingerprinter(m), desiredRow(filled(), user.Trainer)
	same := row
	for name, compare := range map[string]func(){
		"Diff of equal rows": func() { _ = m.Diff(row, same) },
		"Fingerprint":        func() { _ = f.Fingerprint(&row) },
		"Text":               func() { _ = row.Text(user.FieldPhone) },
	} {
		if got := testing.AllocsPerRun(100, compare); got != 0 {
			t.Errorf("%s allocates %v times, want 0", name, got)
		}
	}
}
