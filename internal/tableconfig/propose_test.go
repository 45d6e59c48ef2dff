package tableconfig_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fitai/fituser-operator/internal/store"
	"github.com/fitai/fituser-operator/internal/tableconfig"
	"github.com/fitai/fituser-operator/internal/user"
)

// table returns a visible table. Each column is a name, a type, and what else it has: "null", "auto", "default SQL",
// "labels A B".
func table(name string, columns ...string) store.TableInfo {
	t := store.TableInfo{Name: name, Visible: true}
	for _, text := range columns {
		parts := strings.Split(text, ", ")
		c := store.ColumnInfo{Name: parts[0], Type: parts[1]}
		for _, more := range parts[2:] {
			word, rest, _ := strings.Cut(more, " ")
			switch word {
			case "null":
				c.Nullable = true
			case "auto":
				c.Generated = true
			case "default":
				c.Default = rest
				if strings.Contains(rest, "1000") {
					c.TimeUnit = user.Milliseconds
				}
			case "labels":
				c.EnumLabels = strings.Fields(rest)
			}
		}
		t.Columns = append(t.Columns, c)
	}
	return t
}

func keyed(t store.TableInfo, primary string, unique ...string) store.TableInfo {
	t.PrimaryKey = []string{primary}
	for _, name := range unique {
		t.Unique = append(t.Unique, []string{name})
	}
	return t
}

func in(schema string, t store.TableInfo) store.TableInfo {
	t.Schema, t.Visible = schema, false
	return t
}

var prismaUser = keyed(table("User", "id, text", "clerkId, text", "email, text", "firstName, text, null", "lastName, text, null",
	"role, \"Role\", labels ADMIN TRAINER CLIENT, default 'CLIENT'::\"Role\"", "imageUrl, text, null",
	"createdAt, timestamp without time zone, default CURRENT_TIMESTAMP", "updatedAt, timestamp without time zone"), "id", "clerkId", "email")

func TestPropose_YAML(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		table store.TableInfo
		want  string
	}{
		"Prisma": {prismaUser, `table: User
# check: clerkId holds the Clerk id (user_…). The primary key (id) stays the application's. It needs a default, for the rows that the operator inserts.
key: {column: clerkId, holds: clerkID}
columns:
  email: email
  firstName: firstName
  lastName: lastName
  role: role
  phone: null   # no column looks like it
  createdAt: createdAt
  updatedAt: updatedAt
# possible under extra, and then written over by the operator: {column: imageUrl, from: imageURL}
# check: role allows ADMIN, TRAINER, CLIENT
roles: {admin: ADMIN, client: CLIENT, trainer: TRAINER}
# times: seconds | milliseconds | native. Without it, the columns and their rows decide.
# softDelete: {column: deleted_at, purgeAfter: 720h} keeps a deleted row for a time. Without it, the row is deleted.
adoptRows: never
`},
		"another schema, and Clerk's ids in the primary key": {
			in("app", keyed(table("app_users", "id, text", "email_address, citext", "given_name, text", "surname, text", "mobile, text, null",
				"phone, text, null", "user_type, text, default 'member'::text", "created_on, timestamp with time zone",
				"deleted_at, timestamp with time zone, null"), "id")),
			`table: app.app_users
# check: id holds Clerk ids (user_…). If it holds ids of the application: add a text column with a unique index for the Clerk id, such as clerk_id, and name it here.
key: {column: id, holds: clerkID}
columns:
  email: email_address   # check: a guess by its name
  firstName: given_name   # check: a guess by its name
  lastName: surname   # check: a guess by its name
  role: user_type   # check: a guess by its name
  phone: phone   # check: it could also be mobile
  createdAt: created_on   # check: a guess by its name
  updatedAt: null   # no column looks like it
# check: the default of user_type is 'member'::text, and the default role is client: roles: {ROLE: TEXT, …} sets how the column spells each one
# times: seconds | milliseconds | native. Without it, the columns and their rows decide.
# softDelete: {column: deleted_at, purgeAfter: 720h} would keep a deleted user's row for thirty days
adoptRows: never
`},
		"Drizzle on SQLite, milliseconds": {
			keyed(table("users", "id, text", "email, text", "first_name, text", "last_name, text", "role, text, default 'client'", "phone, text, null",
				"created_at, integer, default cast(unixepoch('subsecond') * 1000 as integer)", "updated_at, integer"), "id", "email"),
			`table: users
# check: id holds Clerk ids (user_…). If it holds ids of the application: add a text column with a unique index for the Clerk id, such as clerk_id, and name it here.
key: {column: id, holds: clerkID}
columns:
  email: email
  firstName: first_name
  lastName: last_name
  role: role
  phone: phone
  createdAt: created_at
  updatedAt: updated_at
# check: the default of created_at is in milliseconds
times: milliseconds
# softDelete: {column: deleted_at, purgeAfter: 720h} keeps a deleted row for a time. Without it, the row is deleted.
adoptRows: never
`},
		"Laravel": {
			keyed(table("users", "id, bigint, auto", "name, varchar", "email, varchar", "role, enum, labels user admin, default user", "password, varchar",
				"created_at, timestamp, null", "updated_at, timestamp, null"), "id", "email"),
			`table: users
# check: id is bigint and cannot hold a Clerk id, so that it must be Clerk's external_id of each user. If it is not: add a text column with a unique index for the Clerk id, such as clerk_id, and name it here.
key: {column: id, holds: externalID}
columns:
  email: email
  firstName: null   # no column looks like it
  lastName: null   # no column looks like it
  role: role
  phone: null   # no column looks like it
  createdAt: created_at
  updatedAt: updated_at
extra:
  - {column: name, from: fullName}   # check: the column is NOT NULL without a default, so that the operator must fill it
# check: role allows user, admin. Set how it spells trainer, or leave those roles out of --roles.
roles: {client: user}
# times: seconds | milliseconds | native. Without it, the columns and their rows decide.
# softDelete: {column: deleted_at, purgeAfter: 720h} keeps a deleted row for a time. Without it, the row is deleted.
adoptRows: never
`},
		"no key": {
			table("members", "mail, text", "clerk_user_id, text, null"),
			`table: members
# check: clerk_user_id holds the Clerk id (user_…). The table has no primary key. It needs a unique index.
key: {column: clerk_user_id, holds: clerkID}
columns:
  email: mail   # check: a guess by its name
  firstName: null   # no column looks like it
  lastName: null   # no column looks like it
  role: null   # no column looks like it
  phone: null   # no column looks like it
  createdAt: null   # no column looks like it
  updatedAt: null   # no column looks like it
# times: seconds | milliseconds | native. Without it, the columns and their rows decide.
# softDelete: {column: deleted_at, purgeAfter: 720h} keeps a deleted row for a time. Without it, the row is deleted.
adoptRows: never
`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			proposals := tableconfig.Propose([]store.TableInfo{test.table}, user.DefaultRoles())
			if len(proposals) != 1 {
				t.Fatalf("%d proposals", len(proposals))
			}
			text, err := proposals[0].YAML()
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, string(text)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			parsed, err := tableconfig.Parse(text, user.DefaultRoles())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(proposals[0].Mapping, parsed); diff != "" {
				t.Errorf("-proposed +parsed:\n%s", diff)
			}
		})
	}
}

// The table of the application's users comes before others that have addresses. Tables without users are not proposed.
func TestPropose_Rank(t *testing.T) {
	t.Parallel()
	users := keyed(table("users", "id, text", "email, text"), "id", "email")
	for name, test := range map[string]struct {
		tables []store.TableInfo
		want   string
	}{
		"nothing":                      {nil, ""},
		"no users":                     {[]store.TableInfo{table("orders", "id, text", "role, text"), table("user_roles", "user_id, text", "role, text")}, ""},
		"mailing list":                 {[]store.TableInfo{keyed(table("newsletter", "email, text"), "email"), users}, "users newsletter"},
		"invitations":                  {[]store.TableInfo{table("invitations", "email, text", "role, text", "created_at, timestamp"), users}, "users invitations"},
		"a copy":                       {[]store.TableInfo{prismaUser, keyed(table("users_backup", "id, text", "email, text", "first_name, text"), "id", "email")}, "User"},
		"Supabase":                     {[]store.TableInfo{in("auth", keyed(table("users", "id, uuid", "email, varchar", "phone, text", "role, varchar", "created_at, timestamp", "updated_at, timestamp"), "id", "email")), keyed(table("profiles", "id, uuid", "clerk_id, text", "email, text"), "id", "clerk_id")}, "profiles users"},
		"a Clerk id beside addresses":  {[]store.TableInfo{table("customers", "id, text", "email, text"), keyed(table("accounts", "id, uuid", "clerk_id, text", "email, text"), "id")}, "accounts customers"},
		"no addresses":                 {[]store.TableInfo{keyed(table("users", "id, text", "first_name, text"), "id")}, "users"},
		"equal":                        {[]store.TableInfo{in("b", users), in("a", users)}, "a.users b.users"},
		"a name that no file can have": {[]store.TableInfo{keyed(table("user.s", "id, text", "email, text"), "id")}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var names []string
			for _, proposal := range tableconfig.Propose(test.tables, user.DefaultRoles()) {
				name := proposal.Table.Name
				if test.want != "profiles users" && proposal.Table.Schema != "" {
					name = proposal.Table.Schema + "." + name
				}
				names = append(names, name)
			}
			if got := strings.Join(names, " "); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}
