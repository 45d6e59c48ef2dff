package tableconfig_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/fitai/fituser-operator/internal/tableconfig"
	"github.com/fitai/fituser-operator/internal/user"
)

func TestMarshal_Text(t *testing.T) {
	t.Parallel()
	m, err := tableconfig.Parse([]byte(everything), user.DefaultRoles())
	if err != nil {
		t.Fatal(err)
	}
	m.SoftDelete.PurgeAfter = 0
	text, err := tableconfig.MarshalWithNotes(m, tableconfig.Notes{
		"table": "found by its name", "columns.phone": "no column\nlooks like one", "times": "integers of 13 digits", "extra.imageURL": "a guess",
	})
	if err != nil {
		t.Fatal(err)
	}
	const want = `table: public.User   # found by its name
key: {column: clerkId, holds: clerkID}
columns:
  email: email
  firstName: firstName
  lastName: lastName
  role: role
  phone: null   # no column looks like one
  createdAt: createdAt
  updatedAt: updatedAt
extra:
  - {column: avatarUrl, from: imageURL}   # a guess
  - {column: plan, from: publicMetadata.plan}
roles: {admin: ADMIN, client: CLIENT, trainer: TRAINER}
# integers of 13 digits
times: milliseconds
softDelete: {column: deletedAt} # for ever: no purgeAfter
adoptRows: verifiedEmail
`
	if diff := cmp.Diff(want, string(text)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestMarshal_RefusesWhatNoFileCanHave(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*user.Mapping){
		"dot in a name":   func(m *user.Mapping) { m.Table = "a.b" },
		"dot in a schema": func(m *user.Mapping) { m.Schema = "a.b" },
		"long name":       func(m *user.Mapping) { m.Columns[0].Name = strings.Repeat("x", 64) },
		"quoted name":     func(m *user.Mapping) { m.Key.Column = `"id"` },
		"no name":         func(m *user.Mapping) { m.Table = "" },
		"no text":         func(m *user.Mapping) { m.SoftDelete = &user.SoftDelete{Column: "a\xff"} },
	} {
		m := user.DefaultMapping()
		change(m)
		if text, err := tableconfig.Marshal(m); err == nil {
			t.Errorf("%s: no error, but\n%s", name, text)
		}
	}
}

// What Marshal writes, Parse reads as the same mapping.
func TestMarshal_ParseReadsItBack(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := mappings().Draw(t, "mapping")
		text, err := tableconfig.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		got, err := tableconfig.Parse(text, user.DefaultRoles())
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("-want +got:\n%s\n%s", diff, text)
		}
	})
}

// mappings generates mappings that a file can have.
func mappings() *rapid.Generator[*user.Mapping] {
	return rapid.Custom(func(t *rapid.T) *user.Mapping {
		name := rapid.OneOf(
			rapid.SampledFrom([]string{"id", "on", "NULL", "12", "1e3", "true", "~", " a", "a ", "a: b", "#", "- a", "'a'", "a\"b", "ß", "用户", "\u2028", "a,b", "{a}", "0x1f", ".5", "=", "<<", "2024-01-01"}),
			rapid.StringN(1, 12, 40),
		).Filter(isName)
		free := map[string]bool{}
		column := func(label string) string {
			fresh := name.Filter(func(s string) bool { return !free[strings.ToLower(s)] }).Draw(t, label)
			free[strings.ToLower(fresh)] = true
			return fresh
		}
		optional := func(label string) string {
			if rapid.Bool().Draw(t, "no "+label) {
				return ""
			}
			return column(label)
		}
		undotted := name.Filter(func(s string) bool { return !strings.Contains(s, ".") })
		m := &user.Mapping{Table: undotted.Draw(t, "table"), CreatedAt: optional("createdAt"), UpdatedAt: optional("updatedAt")}
		if rapid.Bool().Draw(t, "qualified") {
			m.Schema = undotted.Draw(t, "schema")
		}
		m.Key = user.KeyColumn{Column: column("key"), Holds: rapid.SampledFrom([]user.KeyHolds{user.HoldsClerkID, user.HoldsExternalID}).Draw(t, "holds")}
		for _, field := range append(user.DefaultMapping().Fields(), user.FieldImageURL, user.FieldBanned, "publicMetadata.a.b-c") {
			if field == user.FieldBanned && len(m.Columns) == 0 {
				m.Columns = append(m.Columns, user.Column{Name: column("one column"), From: field})
			} else if text := optional(string(field)); text != "" {
				m.Columns = append(m.Columns, user.Column{Name: text, From: field})
			}
		}
		if rapid.Bool().Draw(t, "respelled") {
			texts := rapid.SliceOfNDistinct(name, 3, 3, rapid.ID[string]).Draw(t, "texts")
			m.RoleNames = map[user.Role]user.Role{}
			for i, role := range user.DefaultRoles().Names() {
				m.RoleNames[role] = user.Role(texts[i])
			}
		}
		if text := optional("softDelete"); text != "" {
			m.SoftDelete = &user.SoftDelete{Column: text, PurgeAfter: time.Duration(rapid.Int64Min(0).Draw(t, "purgeAfter"))}
		}
		m.Times = rapid.SampledFrom([]user.TimeUnit{"", user.Seconds, user.Milliseconds, user.Native}).Draw(t, "times")
		m.AdoptRows = rapid.SampledFrom([]user.AdoptRows{user.AdoptNever, user.AdoptExternalID, user.AdoptVerifiedEmail}).Draw(t, "adoptRows")
		if !m.Has(user.FieldEmail) && m.AdoptRows == user.AdoptVerifiedEmail {
			m.AdoptRows = user.AdoptNever
		}
		return m
	})
}

// isName reports whether a mapping with this name can be written.
func isName(name string) bool {
	m := user.DefaultMapping()
	m.Key.Column = name
	_, err := tableconfig.Marshal(m)
	return err == nil
}

// Any file is a mapping that Marshal can write, or an error with lines that the file has.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{"", everything, "columns: {phnoe: x, email: null}\n---\n", "a: *b", "? [a]\n: b", "table: !!binary aGk=", "extra: [{<<: {}}]"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := tableconfig.Parse(data, user.DefaultRoles())
		if err != nil {
			if err.Error() == "" {
				t.Error("an error without a fault")
			}
			return
		}
		text, err := tableconfig.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		again, err := tableconfig.Parse(text, user.DefaultRoles())
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		if diff := cmp.Diff(m, again); diff != "" {
			t.Fatal(diff)
		}
	})
}
