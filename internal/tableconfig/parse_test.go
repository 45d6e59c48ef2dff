package tableconfig_test

import (
	"errors"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fitai/fituser-operator/internal/tableconfig"
	"github.com/fitai/fituser-operator/internal/user"
)

// everything has each key of a mapping file.
const everything = `# Prisma's table
table: public.User
key: {column: clerkId, holds: clerkID}
columns:
  email: email
  firstName: firstName
  lastName: lastName
  phone: null
  role: role
  createdAt: createdAt
  updatedAt: updatedAt
extra:
  - {column: avatarUrl, from: imageURL}
  - {column: plan, from: publicMetadata.plan}
roles: {admin: ADMIN, trainer: TRAINER, client: CLIENT}
times: milliseconds
softDelete: {column: deletedAt, purgeAfter: 720h}
adoptRows: verifiedEmail
`

func TestParse_EveryKey(t *testing.T) {
	t.Parallel()
	want := &user.Mapping{
		Schema: "public", Table: "User", Key: user.KeyColumn{Column: "clerkId", Holds: user.HoldsClerkID},
		Columns: []user.Column{
			{Name: "email", From: user.FieldEmail}, {Name: "firstName", From: user.FieldFirstName}, {Name: "lastName", From: user.FieldLastName},
			{Name: "role", From: user.FieldRole}, {Name: "avatarUrl", From: user.FieldImageURL}, {Name: "plan", From: "publicMetadata.plan"},
		},
		CreatedAt: "createdAt", UpdatedAt: "updatedAt",
		RoleNames: map[user.Role]user.Role{user.Admin: "ADMIN", user.Trainer: "TRAINER", user.Client: "CLIENT"},
		Times:     user.Milliseconds, SoftDelete: &user.SoftDelete{Column: "deletedAt", PurgeAfter: 720 * time.Hour},
		AdoptRows: user.AdoptVerifiedEmail,
	}
	got, err := tableconfig.Parse([]byte(everything), user.DefaultRoles())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// Every key is optional, and what is left out keeps its default.
func TestParse_Defaults(t *testing.T) {
	t.Parallel()
	change := func(change func(*user.Mapping)) *user.Mapping {
		m := user.DefaultMapping()
		change(m)
		return m
	}
	for name, test := range map[string]struct {
		file string
		want *user.Mapping
	}{
		"empty file":       {"", user.DefaultMapping()},
		"comments":         {"# nothing yet\n\n", user.DefaultMapping()},
		"a lone separator": {"---\n", user.DefaultMapping()},
		"empty sections":   {"key:\ncolumns:\nextra:\nroles:\ntimes:\nsoftDelete:\nadoptRows:\n", user.DefaultMapping()},
		"table alone":      {"table: members", change(func(m *user.Mapping) { m.Table = "members" })},
		"key alone": {"key: {column: clerk_id}", change(func(m *user.Mapping) {
			m.Key.Column = "clerk_id"
		})},
		"holds alone": {"key: {holds: externalID}", change(func(m *user.Mapping) { m.Key.Holds = user.HoldsExternalID })},
		"no times":    {"columns: {createdAt: null, updatedAt: ~}", change(func(m *user.Mapping) { m.CreatedAt, m.UpdatedAt = "", "" })},
		"no addresses": {"columns: {email: null}", change(func(m *user.Mapping) {
			m.Columns = m.Columns[1:]
		})},
		"no roles": {"columns: {role: null}", change(func(m *user.Mapping) {
			m.Columns = append(m.Columns[:3:3], m.Columns[4])
		})},
		"some roles": {"roles: {admin: boss}", change(func(m *user.Mapping) {
			m.RoleNames = map[user.Role]user.Role{user.Admin: "boss"}
		})},
		"roles in a circle": {"roles: {admin: client, client: admin}", change(func(m *user.Mapping) {
			m.RoleNames = map[user.Role]user.Role{user.Admin: "client", user.Client: "admin"}
		})},
		"rows for ever": {"softDelete: {column: deleted_at}", change(func(m *user.Mapping) {
			m.SoftDelete = &user.SoftDelete{Column: "deleted_at"}
		})},
		"the default name, freed": {"columns: {phone: null}\nextra: [{column: phone, from: username}]", change(func(m *user.Mapping) {
			m.Columns = append(m.Columns[:4:4], user.Column{Name: "phone", From: user.FieldUsername})
		})},
		"numbers in quotation marks": {"table: \"2024\"", change(func(m *user.Mapping) { m.Table = "2024" })},
		"Windows' line ends":         {"table: members\r\ncolumns:\r\n  phone: tel\r\n", change(func(m *user.Mapping) { m.Table, m.Columns[4].Name = "members", "tel" })},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := tableconfig.Parse([]byte(test.file), user.DefaultRoles())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// All faults come in one error, in the order of the lines.
func TestParse_AllFaultsAtOnce(t *testing.T) {
	t.Parallel()
	const file = `tabel: users
table: app.public.users
key: {column: id, holds: clerkid}
columns:
  email: Mail
  email: address
  phnoe: tel
  firstName: [first, last]
  lastName: ""
  role: mail
  username: nick
extra:
  - {column: avatar, from: imageUrl}
  - {column: avatar2, from: avatar}
  - {column: phone, from: username}
  - {column: nick, from: username}
  - avatar
  - {column: mail2, from: email}
roles:
  superuser: ROOT
  trainer: client
times: nanoseconds
softDelete:
  purgeAfter: 30d
adoptRows: always
`
	want := strings.Split(strings.TrimSpace(`
line 1: tabel: no such key: did you mean table?
line 2: table: "app.public.users" has more than one dot: want TABLE or SCHEMA.TABLE, and no name of the database before it
line 3: key.holds: no such value "clerkid": did you mean clerkID?
line 6: columns.email: this key is also on line 5: remove one of the two
line 7: columns.phnoe: no such field: did you mean phone?
line 8: columns.firstName: want a text, not a list
line 9: columns.lastName: the text is empty: write a name, or remove the line
line 10: columns.role: the column "mail" is also columns.email: name another column, or write null there if the table has no such column
line 11: columns.username: no such field: list it under extra, as {column: …, from: username}
line 13: extra[0].from: no such source "imageUrl": did you mean imageURL?
line 14: extra[1].from: no such source "avatar": want one of username, fullName, imageURL, externalID, locale, lastSignInAt, banned, locked, publicMetadata.KEY
line 15: extra[2].column: the column "phone" is also columns.phone: that is its default name; name another column, or write null there if the table has no such column
line 16: extra[3].from: username is also the source on line 15: one column can hold it; remove one of the two
line 17: extra[4]: want keys and values, not a text: the keys are column, from
line 18: extra[5].from: "email" has its place under columns: write its column there
line 20: roles.superuser: no such role: want one of admin, trainer, client; --roles lists them
line 21: roles.trainer: "client" is also the text of the role client: write another text, so that a row shows which role it is
line 22: times: no such value "nanoseconds": want one of seconds, milliseconds, native
line 24: softDelete.purgeAfter: "30d" counts days, and the largest unit is the hour: write 720h
line 25: adoptRows: no such value "always": want one of never, externalID, verifiedEmail
`), "\n")
	_, err := tableconfig.Parse([]byte(file), user.DefaultRoles())
	if err == nil {
		t.Fatal("no error")
	}
	if diff := cmp.Diff(want, strings.Split(err.Error(), "\n")); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestParse_Faults(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 64)
	for name, test := range map[string]struct{ file, want string }{
		"no keys and values":    {"- users", "line 1: want keys and values, not a list: the keys are table, key, columns, extra, roles, times, softDelete, adoptRows"},
		"a text":                {"users", "line 1: want keys and values, not a text: the keys are table, key, columns, extra, roles, times, softDelete, adoptRows"},
		"table is null":         {"table:", "line 1: table: want a text, not null"},
		"table is a number":     {"table: 12", `line 1: table: want a text, and YAML reads 12 as something else: write "12", with the quotation marks`},
		"table is a boolean":    {"table: true", `line 1: table: want a text, and YAML reads true as something else: write "true", with the quotation marks`},
		"table is a list":       {"table: [public, users]", "line 1: table: want a text, not a list"},
		"no schema":             {"table: .users", "line 1: table: a name is empty: write the table's own name"},
		"no table":              {"table: public.", "line 1: table: a name is empty: write the table's own name"},
		"quoted identifier":     {`table: public."User"`, `line 1: table: "User" has quotation marks: leave them out, as the operator adds them by itself`},
		"backquoted identifier": {"columns: {email: '`mail`'}", "line 1: columns.email: `mail` has quotation marks: leave them out, as the operator adds them by itself"},
		"long name":             {"\ntable: " + long, `line 2: table: "` + long + `" has 64 bytes: a name has 63 at most; write it as the database has it`},
		"NUL":                   {`table: "a\0b"`, `line 1: table: "a\x00b" contains a character that is no text: write the name without it`},
		"a text for the key":    {"key: id", "line 1: key: want keys and values, not a text: the keys are column, holds"},
		"no key":                {"key: {column: null}", "line 1: key.column: want a text, not null"},
		"a text for columns":    {"columns: email", "line 1: columns: want keys and values, not a text: the keys are email, firstName, lastName, role, phone, createdAt, updatedAt"},
		"snake case":            {"columns: {first_name: first}", "line 1: columns.first_name: no such field: did you mean firstName?"},
		"key in columns":        {"key: {column: EMAIL}", `line 1: key.column: the column "EMAIL" is also columns.email: that is its default name; name another column, or write null there if the table has no such column`},
		"key twice":             {"columns:\n  phone: id", `line 2: columns.phone: the column "id" is also key.column: name another column`},
		"deletion time":         {"softDelete: {column: updated_at}", `line 1: softDelete.column: the column "updated_at" is also columns.updatedAt: that is its default name; name another column, or write null there if the table has no such column`},
		"extra is an object":    {"extra: {avatar: imageURL}", "line 1: extra: want a list, not keys and values: write - {column: avatar_url, from: imageURL}"},
		"extra without source":  {"extra:\n- column: avatar", "line 2: extra[0]: want both keys: write {column: avatar_url, from: imageURL}"},
		"no path":               {"extra: [{column: a, from: publicMetadata}]", `line 1: extra[0].from: "publicMetadata" names no value of the public metadata: want publicMetadata.KEY or publicMetadata.KEY.KEY, up to eight keys of letters, digits, hyphens and underscores`},
		"path with a blank":     {"extra: [{column: a, from: publicMetadata.my plan}]", `line 1: extra[0].from: "publicMetadata.my plan" names no value of the public metadata: want publicMetadata.KEY or publicMetadata.KEY.KEY, up to eight keys of letters, digits, hyphens and underscores`},
		"mistyped role":         {"roles: {amdin: ADMIN}", "line 1: roles.amdin: no such role: did you mean admin?"},
		"a number for a role":   {"roles: {admin: 1}", `line 1: roles.admin: want a text, and YAML reads 1 as something else: write "1", with the quotation marks`},
		"two roles, one text":   {"roles:\n  client: X\n  admin: X", `line 3: roles.admin: "X" is also the text of the role client: write another text, so that a row shows which role it is`},
		"no deletion time":      {"softDelete: {purgeAfter: 1h}", "line 1: softDelete: want the column that holds the time of the deletion: write {column: deleted_at}"},
		"negative":              {"softDelete: {column: d, purgeAfter: -1h}", `line 1: softDelete.purgeAfter: "-1h" is negative: write how long a deleted row stays, such as 720h, or 0 for ever`},
		"no unit":               {"softDelete: {column: d, purgeAfter: \"720\"}", `line 1: softDelete.purgeAfter: "720" is no duration: want hours, minutes or seconds, such as 720h for thirty days`},
		"adopt by no address":   {"adoptRows: verifiedEmail\ncolumns: {email: null}", "line 1: adoptRows: verifiedEmail needs a column with the address: name it in columns.email, or write never or externalID here"},
		"nothing to keep":       {"\ncolumns: {email: null, firstName: null, lastName: null, phone: null, role: null}", "line 2: columns: every field is null, so that the operator has nothing to keep: name the column of one"},
		"an alias":              {"table: &t users\nkey: {column: *t}", "line 2: key.column: an alias (*t): write the value here"},
		"two documents":         {"table: a\n---\ntable: b\n", "line 2: a second document begins: the file has one; remove this one and the line --- before it"},
		"no YAML":               {"table: users\nkey: {column: id\n", "line 1: the file is not YAML: did not find expected ',' or '}': check indentation, colons and quotation marks here and on the lines beside"},
		"a tab":                 {"columns:\n\temail: mail\n", "line 2: the file is not YAML: found character that cannot start any token: check indentation, colons and quotation marks here and on the lines beside"},
		"no UTF-8":              {"table: users\n# caf\xe9\n", "line 2: a character that is no UTF-8 text: save the file as UTF-8, without control characters"},
		"too large":             {"#" + strings.Repeat("x", tableconfig.MaxSize), "the file has more than 65536 bytes, the most that it may have: name only the columns that the operator keeps"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mapping, err := tableconfig.Parse([]byte(test.file), user.DefaultRoles())
			if err == nil {
				t.Fatalf("no error, but %+v", mapping)
			}
			if diff := cmp.Diff(test.want, err.Error()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestParse_ManyFaults(t *testing.T) {
	t.Parallel()
	_, err := tableconfig.Parse([]byte(strings.Repeat("x: 1\n", 103)), user.DefaultRoles())
	if err == nil || strings.Count(err.Error(), "\n") != 100 || !strings.HasSuffix(err.Error(), "\nand 3 more") {
		t.Errorf("got %v", err)
	}
	if all, ok := errors.AsType[*tableconfig.Error](err); !ok || len(all.Faults) != 103 {
		t.Errorf("the error has not all faults: %v", err)
	}
}

// docs/table.md shows a file with every key, and the faults of another one.
func TestParse_Documentation(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile("../../docs/table.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(content)
	if _, sample, _ := strings.Cut(everything, "\n"); !strings.Contains(page, "```yaml\n"+strings.Replace(sample, "verifiedEmail", "never", 1)+"```") {
		t.Errorf("docs/table.md does not contain\n%s", sample)
	}
	_, err = tableconfig.Parse([]byte("table: users\ncolumns:\n  phnoe: mobile\nroles:\n  amdin: ADMIN\nsoftDelete: {column: deleted_at, purgeAfter: 30d}\n"), user.DefaultRoles())
	if err == nil || !strings.Contains(page, err.Error()) {
		t.Errorf("docs/table.md does not contain\n%v", err)
	}
	for _, key := range append(keysOf(everything), sources()...) {
		if !strings.Contains(page, "`"+key+"`") {
			t.Errorf("docs/table.md does not explain %s", key)
		}
	}
}

// keysOf returns the keys at the start of a file's lines.
func keysOf(file string) (keys []string) {
	for _, match := range regexp.MustCompile(`(?m)^([a-zA-Z]+):`).FindAllStringSubmatch(file, -1) {
		if key := match[1]; key != "key" { // it is explained as key.column and key.holds
			keys = append(keys, key)
		}
	}
	return append(keys, "key.column", "key.holds")
}

func sources() (names []string) {
	for _, field := range append(user.ExtraFields(), user.DefaultMapping().Fields()...) {
		names = append(names, string(field))
	}
	return names
}
