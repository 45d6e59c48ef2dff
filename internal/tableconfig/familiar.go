package tableconfig

import (
	"slices"
	"strings"

	"github.com/fitai/fituser-operator/internal/store"
	"github.com/fitai/fituser-operator/internal/user"
)

// familiar are the names that columns have in applications, in the form of [plain], the most common first.
func familiar(key string) []string {
	return map[string][]string{
		"clerk":                      {"clerkid", "clerkuserid", "clerkuser", "clerk", "authuserid", "authid", "authproviderid", "authsubject"},
		string(user.FieldEmail):      {"email", "emailaddress", "useremail", "primaryemail", "mail", "emailaddr"},
		string(user.FieldFirstName):  {"firstname", "givenname", "forename", "fname", "first"},
		string(user.FieldLastName):   {"lastname", "familyname", "surname", "lname", "last"},
		string(user.FieldPhone):      {"phone", "phonenumber", "mobile", "mobilenumber", "mobilephone", "telephone", "tel", "phoneno", "cellphone"},
		string(user.FieldRole):       {"role", "userrole", "usertype", "accounttype", "roletype"},
		createdAt:                    {"createdat", "createdon", "created", "insertedat", "datecreated", "datejoined", "joinedat", "registeredat", "createdtime"},
		updatedAt:                    {"updatedat", "updatedon", "updated", "modifiedat", "modifiedon", "modified", "lastmodified", "datemodified", "updatedtime", "changedat", "changed"},
		"softDelete":                 {"deletedat", "deletedon", "softdeletedat", "archivedat", "removedat"},
		string(user.FieldUsername):   {"username", "login", "handle", "nickname"},
		string(user.FieldFullName):   {"fullname", "name", "displayname"},
		string(user.FieldImageURL):   {"imageurl", "avatarurl", "avatar", "image", "profileimageurl", "profileimage", "picture", "photourl"},
		string(user.FieldExternalID): {"externalid"},
		string(user.FieldLocale):     {"locale"},
		string(user.FieldBanned):     {"banned", "isbanned"},
		string(user.FieldLocked):     {"locked", "islocked"},

		string(user.FieldLastSignInAt): {"lastsigninat", "lastloginat", "lastlogin"},
	}[key]
}

// userName is the rate of the most usual name.
const userName = 30

// nameScore rates the table's name.
func (g *guess) nameScore() int {
	score := 0
	switch name := plain(g.table.Name); {
	case name == "user" || name == "users":
		score = userName
	case slices.Contains([]string{"appuser", "appusers", "accounts", "account", "profiles", "profile", "members", "member", "people", "customers"}, name):
		score = 20
	case strings.HasSuffix(name, "user") || strings.HasSuffix(name, "users"):
		score = 15
	case strings.Contains(name, "user"):
		score = 5
	}
	for _, copied := range []string{"backup", "archive", "old", "tmp", "temp", "audit", "history", "log", "staging", "import"} {
		if slices.Contains(strings.Split(strings.ToLower(g.table.Name), "_"), copied) {
			score -= 60
		}
	}
	if g.table.Visible {
		score += 5
	}
	if g.table.Schema == "auth" { // Supabase's own users, which its service writes
		score -= 60
	}
	return score
}

// take returns the unused column with the most familiar name, and notes what makes it a guess. It returns nil when no column
// fits.
func (g *guess) take(key string, fits func(store.ColumnInfo) bool) *store.ColumnInfo {
	var found *store.ColumnInfo
	var others []string
	names := familiar(key)
	for i, name := range names {
		for n := range g.table.Columns {
			c := &g.table.Columns[n]
			switch {
			case plain(c.Name) != name || g.used[c.Name] || c.Generated || !fits(*c):
			case found == nil:
				found = c
				if i > 0 {
					g.notes["columns."+key] = "check: a guess by its name"
				}
			default:
				others = append(others, c.Name)
			}
		}
	}
	if found == nil {
		return nil
	}
	g.used[found.Name] = true
	if len(others) > 0 {
		g.notes["columns."+key] = "check: it could also be " + strings.Join(others, ", ")
	}
	return found
}

func (g *guess) column(name string) *store.ColumnInfo {
	i := slices.IndexFunc(g.table.Columns, func(c store.ColumnInfo) bool { return c.Name == name })
	if i < 0 {
		return nil
	}
	return &g.table.Columns[i]
}

func (g *guess) unique(name string) bool {
	return slices.ContainsFunc(append(g.table.Unique, g.table.PrimaryKey), func(names []string) bool { return slices.Equal(names, []string{name}) })
}

func isText(c store.ColumnInfo) bool {
	return c.EnumLabels == nil && typeHas(c, "char", "text", "clob", "string")
}

func isInteger(c store.ColumnInfo) bool { return typeHas(c, "int") && !typeHas(c, "interval", "point") }

func isTime(c store.ColumnInfo) bool { return typeHas(c, "timestamp", "datetime") || isInteger(c) }

func typeHas(c store.ColumnInfo, parts ...string) bool {
	return slices.ContainsFunc(parts, func(part string) bool { return strings.Contains(strings.ToLower(c.Type), part) })
}
