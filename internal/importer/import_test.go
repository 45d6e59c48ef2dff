package importer_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/fitai/fituser-operator/internal/clerk"
	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
	"github.com/fitai/fituser-operator/internal/importer"
	"github.com/fitai/fituser-operator/internal/store"
	"github.com/fitai/fituser-operator/internal/store/storetest"
	"github.com/fitai/fituser-operator/internal/user"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var server storetest.Postgres

const (
	bcryptHash = "$2a$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy"
	argonHash  = "$argon2id$v=19$m=64,t=4,p=8$Z2liZXJyaXNo$iGXEpMBTDYQ8G/71tF0qGjxRHEmR3gpGULcE93zUJVU"
)

// keyMode is a way in which the table and Clerk refer to each other.
type keyMode struct {
	mapping *user.Mapping
	// primary is the type of the table's own primary key.
	primary string
	// beside is true where the Clerk id has a column of its own.
	beside bool
}

func mapping(key user.KeyColumn) *user.Mapping {
	return &user.Mapping{
		Table: "people", Key: key, CreatedAt: "since",
		Columns: []user.Column{
			{Name: "mail", From: user.FieldEmail}, {Name: "given", From: user.FieldFirstName}, {Name: "family", From: user.FieldLastName},
			{Name: "rank", From: user.FieldRole}, {Name: "tel", From: user.FieldPhone},
		},
		RoleNames: map[user.Role]user.Role{"trainer": "COACH", "client": "CLIENT"},
	}
}

func keyModes() map[string]keyMode {
	return map[string]keyMode{
		"the primary key gets the Clerk id": {mapping(user.KeyColumn{Column: "id", Holds: user.HoldsClerkID}), "varchar(63)", false},
		"a column gets the Clerk id":        {mapping(user.KeyColumn{Column: "clerk_id", Holds: user.HoldsClerkID}), "integer", true},
		"Clerk gets the primary key":        {mapping(user.KeyColumn{Column: "id", Holds: user.HoldsExternalID}), "varchar(63)", false},
	}
}

// legacy is a row from before Clerk, and what becomes of it.
type legacy struct {
	key, mail, tel, rank, hash string
	reason                     importer.Reason
	note                       importer.Note
	hasher                     string
	role                       user.Role
}

// people returns n rows from before Clerk.
func people(n int) []legacy {
	rows := make([]legacy, 0, n)
	for i := 1; i <= n; i++ {
		row := legacy{key: fmt.Sprint(i), mail: fmt.Sprintf("person%d@canary.example", i), rank: "CLIENT"}
		switch i % 4 {
		case 0:
			row.hash, row.hasher = bcryptHash, "bcrypt"
		case 1:
			row.hash, row.hasher = argonHash, "argon2id"
		case 2:
			row.hash, row.note = "canary secret", importer.PasswordUnknown
		}
		if i%97 == 0 {
			row.rank, row.role = "COACH", "trainer"
		}
		if i%3 == 0 {
			row.tel = fmt.Sprintf("+1202555%04d", i)
		}
		switch i % 50 {
		case 1:
			row.mail, row.reason = "", importer.AddressMissing
		case 2:
			row.mail, row.reason = fmt.Sprintf("person%d at canary", i), importer.AddressMalformed
		case 3:
			row.reason = importer.AddressDuplicated
		case 4: // the same address as the row before
			row.mail, row.reason = fmt.Sprintf("PERSON%d@Canary.example", i-1), importer.AddressDuplicated
		case 5:
			row.reason = importer.AddressTaken
		case 6:
			row.tel, row.reason = "1202555", importer.PhoneMalformed
		}
		rows = append(rows, row)
	}
	return rows
}

// world is a table of people from before Clerk beside a Clerk that knows few of them.
type world struct {
	*testing.T
	mode        keyMode
	people      []legacy
	databaseURL string
	raw         *storetest.Raw
	clerk       *clerktest.Server
	clerkURL    string
	before      []map[string]any
}

func newWorld(t *testing.T, create func(testing.TB, ...string) string, mode keyMode, n int) *world {
	t.Helper()
	w := &world{T: t, mode: mode, people: people(n), clerk: clerktest.NewServer(clerktest.Config{PasswordRequired: true})}
	api := httptest.NewServer(w.clerk)
	t.Cleanup(api.Close)
	w.clerkURL = api.URL + "/v1"
	columns := ""
	if mode.beside {
		columns = "clerk_id varchar(63) UNIQUE, "
	}
	w.databaseURL = create(t,
		"CREATE TABLE people (id "+mode.primary+" PRIMARY KEY NOT NULL DEFAULT '0', "+columns+`mail varchar(320) UNIQUE, given text NOT NULL,
			family text NOT NULL, rank text NOT NULL, tel text, hash text, since bigint NOT NULL, weight integer)`,
		"CREATE TABLE posts (id integer PRIMARY KEY, author "+mode.primary+", FOREIGN KEY (author) REFERENCES people (id) ON UPDATE CASCADE)",
		"CREATE INDEX posts_author ON posts (author)")
	w.raw = storetest.OpenRaw(t, w.databaseURL)
	tx := w.raw.Begin()
	for i, p := range w.people {
		tx.Exec("INSERT INTO people (id, mail, given, family, rank, tel, hash, since, weight) VALUES (" +
			fmt.Sprintf("'%s', nullif('%s', ''), 'Given %d', 'Family', '%s', nullif('%s', ''), nullif('%s', ''), %d, %d)",
				p.key, p.mail, i, p.rank, p.tel, p.hash, 1500000000+i, i))
		tx.Exec(fmt.Sprintf("INSERT INTO posts VALUES (%d, '%s')", i, p.key))
		if p.reason == importer.AddressTaken {
			w.clerk.SignUp(clerktest.Person{Email: strings.ToUpper(p.mail)})
		}
	}
	// The default of id is 0, so that this row needs no other key.
	tx.Exec("INSERT INTO people (" + mode.mapping.Key.Column + ", mail, given, family, rank, since) " +
		"VALUES ('user_known', 'known@canary.example', '', '', 'CLIENT', 1)")
	tx.Commit()
	w.before = w.rows()
	return w
}

// rows returns the table without the keys, which may change.
func (w *world) rows() []map[string]any {
	rows := w.raw.Query("SELECT mail, given, family, rank, tel, hash, since, weight FROM people ORDER BY weight")
	return rows
}

// stop ends an import in some way.
type stop struct {
	clerk, table func() error
	ctx          context.Context
	faults       []clerktest.Fault
}

func (w *world) run(s stop, change func(*importer.Config)) (importer.Report, error) {
	w.Helper()
	table, err := store.Open(w.databaseURL, store.Options{Mapping: w.mode.mapping, BeforeWrite: s.table})
	if err != nil {
		w.Fatal(err)
	}
	defer func() { _ = table.Close() }()
	for _, fault := range s.faults {
		defer w.clerk.Inject(fault)()
	}
	config := importer.Config{
		Clerk: clerk.New(clerk.Config{
			URL: w.clerkURL, Key: func() string { return clerktest.DefaultSecretKey }, RequestsPerSecond: 100_000, Timeout: time.Hour, BeforeWrite: s.clerk,
		}),
		Table: table, Roles: user.DefaultRoles(), Markers: true, Owner: func(context.Context) (string, error) { return "here", nil },
		PasswordColumn: "hash", Act: true,
		Wait: func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
	}
	if change != nil {
		change(&config)
	}
	if s.ctx == nil {
		s.ctx = w.Context()
	}
	return importer.Run(s.ctx, config)
}

// after returns an error from the n-th call on, as for a process that is gone.
func after(n int64) func() error {
	var calls atomic.Int64
	return func() error {
		if calls.Add(1) > n {
			return errors.New("the process was killed")
		}
		return nil
	}
}

// wantEnd checks that each row that can go has one user with everything, and that the table has nothing but new keys.
func (w *world) wantEnd() {
	w.Helper()
	byExternalID := map[string]clerktest.User{}
	for _, u := range w.clerk.Users() {
		if u.ExternalID == nil {
			continue
		}
		if _, twice := byExternalID[*u.ExternalID]; twice {
			w.Errorf("two users have the external id %s", *u.ExternalID)
		}
		byExternalID[*u.ExternalID] = u
	}
	clerkIDs := map[string]string{}
	for i, p := range w.people {
		u, exists := byExternalID[p.key]
		if exists != (p.reason == "") {
			w.Errorf("row %s with the reason %q: user exists: %v", p.key, p.reason, exists)
		}
		if exists {
			w.wantUser(i, p, u)
			clerkIDs[p.key] = u.ID
		}
	}
	w.wantKeys(clerkIDs)
	if diff := cmp.Diff(w.before, w.rows()); diff != "" {
		w.Errorf("columns besides the keys have changed (-before +after):\n%.2000s", diff)
	}
}

func (w *world) wantUser(i int, p legacy, u clerktest.User) {
	w.Helper()
	marker := map[string]any{"role": string(p.role), "owner": "here"}
	var role, fituser any
	if p.role != "" {
		role, fituser = string(p.role), marker
	}
	if u.PrimaryEmail() != p.mail || *u.FirstName != fmt.Sprintf("Given %d", i) || u.CreatedAt != int64(1500000000+i)*1000 ||
		u.PasswordHasher != p.hasher || u.PasswordEnabled != (p.hasher != "") || (len(u.PhoneNumbers) == 1) != (p.tel != "") ||
		!cmp.Equal(u.PublicMetadata["role"], role) || !cmp.Equal(u.PrivateMetadata["fituser"], fituser) {
		w.Errorf("row %+v became %+v", p, u)
	}
}

// wantKeys checks the keys of the rows, and that the posts follow. clerkIDs are by external id.
func (w *world) wantKeys(clerkIDs map[string]string) {
	w.Helper()
	column := w.mode.mapping.Key.Column
	got := map[string]string{}
	for _, row := range w.raw.Query("SELECT people." + column + " AS key, people.weight FROM people JOIN posts ON posts.author = people.id WHERE posts.id = people.weight") {
		if key := row["key"]; key != nil {
			got[w.people[row["weight"].(int64)].key] = fmt.Sprint(key)
		}
	}
	want := map[string]string{}
	for _, p := range w.people {
		switch id, exists := clerkIDs[p.key]; {
		case exists && w.mode.mapping.Key.Holds == user.HoldsClerkID:
			want[p.key] = id
		case !w.mode.beside:
			want[p.key] = p.key
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		w.Errorf("keys of the rows (-want +got):\n%.2000s", diff)
	}
}

// want returns the counts that follow from the people.
func (w *world) want() (created, refused int, reasons map[importer.Reason]int, notes map[importer.Note]int) {
	reasons, notes = map[importer.Reason]int{}, map[importer.Note]int{}
	for _, p := range w.people {
		switch {
		case p.reason != "":
			reasons[p.reason]++
			refused++
		case p.note != "":
			notes[p.note]++
			fallthrough
		default:
			created++
		}
	}
	return created, refused, reasons, notes
}

// Preview, import killed twice and resumed: the end state is that of one import, and nobody is created twice.
func TestRun_KilledAndResumed(t *testing.T) {
	t.Parallel()
	for name, mode := range keyModes() {
		for engine, create := range map[string]func(testing.TB, ...string) string{"SQLite": storetest.SQLite, "PostgreSQL": server.URL} {
			t.Run(name+" on "+engine, func(t *testing.T) {
				t.Parallel()
				n := 400
				if mode.beside && engine == "PostgreSQL" {
					n = 5000 // the other combinations differ in few statements
				}
				w := newWorld(t, create, mode, n)
				created, refused, reasons, notes := w.want()

				preview, err := w.run(stop{}, func(c *importer.Config) { c.Act = false })
				if err != nil {
					t.Fatal(err)
				}
				if preview.Acted || preview.Rows != n+1 || preview.WithClerkID != 1 || preview.Created != created || len(preview.Refused) != refused ||
					!cmp.Equal(preview.Reasons, reasons) || !cmp.Equal(preview.Notes, notes) {
					t.Errorf("preview %+v; want %d created, %v, %v", withoutRows(preview), created, reasons, notes)
				}
				if writes := w.clerk.Writes(); len(writes) != 0 || !cmp.Equal(w.before, w.rows()) {
					t.Errorf("the preview wrote: %d writes to Clerk", len(writes))
				}

				total := w.killTwice(created)
				last, err := w.run(stop{}, nil)
				if err != nil {
					t.Fatal(err)
				}
				w.wantEnd()
				if total += last.Created; total > created { // a request of a killed import may arrive late
					t.Errorf("%d users created by the imports together, want %d", total, created)
				}
				if diff := cmp.Diff(preview.Refused, last.Refused); diff != "" {
					t.Errorf("rows that cannot go (-preview +import):\n%.2000s", diff)
				}

				again, err := w.run(stop{}, nil)
				if err != nil || again.Created != 0 || again.Rekeyed != 0 || !cmp.Equal(again.Refused, last.Refused) {
					t.Errorf("once more: %+v, %v; want nothing to do", withoutRows(again), err)
				}
			})
		}
	}
}

func withoutRows(r importer.Report) importer.Report {
	r.Refused, r.Noted = nil, nil
	return r
}

// killTwice starts imports that end early, and returns how many users their reports count. A user whose creation a killed
// import did not hear of counts when the next one finds it.
func (w *world) killTwice(created int) (total int) {
	w.Helper()
	third := int64(created / 3)
	var heard int
	for name, s := range map[string]stop{
		"Clerk":  {clerk: after(third)},
		"answer": {faults: []clerktest.Fault{{Match: clerktest.On("POST", "/users"), Times: 3, Respond: clerktest.ApplyThen(clerktest.HTML502())}}, clerk: after(third)},
	} {
		report, err := w.run(s, nil)
		if err == nil || report.Stopped == "" {
			w.Errorf("the import without %s ended with %v", name, err)
		}
		heard += report.Created
	}
	ctx, cancel := context.WithCancel(w.Context())
	report, err := w.run(stop{ctx: ctx}, func(c *importer.Config) {
		c.Progress = func(done, total int) {
			if done > total*9/10 {
				cancel()
			}
		}
	})
	cancel()
	if err == nil && report.Stopped != "" {
		w.Errorf("the cancelled import ended with %v", err)
	}
	if w.mode.mapping.Key.Holds == user.HoldsClerkID {
		if _, err := w.run(stop{table: after(3)}, nil); err == nil {
			w.Log("everything was done already")
		}
	}
	users := 0
	for _, u := range w.clerk.Users() {
		if u.ExternalID != nil {
			users++
		}
	}
	if heard += report.Created; heard > users {
		w.Errorf("%d users reported, %d exist", heard, users)
	}
	return users
}

func TestRun_LimitCreatesNoMore(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storetest.SQLite, keyModes()["a column gets the Clerk id"], 40)
	for round, want := range []int{10, 10, 10, 4} {
		report, err := w.run(stop{}, func(c *importer.Config) { c.Limit = 10 })
		if err != nil || report.Created != want || report.LimitReached != (round < 3) {
			t.Errorf("round %d: %+v, %v; want %d created", round, withoutRows(report), err, want)
		}
	}
	w.wantEnd()
}

// The table's foreign keys are checked before anything is created.
func TestRun_TableThatDoesNotFollow(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storetest.SQLite, keyModes()["the primary key gets the Clerk id"], 20)
	w.raw.Exec("CREATE TABLE bills (id integer PRIMARY KEY, person varchar(63) REFERENCES people (id))")
	preview, err := w.run(stop{}, func(c *importer.Config) { c.Act = false })
	if err != nil || !slices.Equal(preview.Keeping, []string{"bills"}) {
		t.Errorf("preview %+v, %v; want that bills does not follow", withoutRows(preview), err)
	}
	report, err := w.run(stop{}, nil)
	if kept, is := errors.AsType[*store.CannotRekeyError](err); !is || !slices.Equal(kept.Tables, []string{"bills"}) || report.Created != 0 {
		t.Errorf("import %+v, %v; want that bills does not follow", withoutRows(report), err)
	}
	if got := len(w.clerk.Writes()); got != 0 {
		t.Errorf("%d writes to Clerk", got)
	}
	for _, text := range []string{"THE KEYS CANNOT CHANGE", "bills"} {
		if !strings.Contains(textOf(t, preview), text) {
			t.Errorf("the text has no %q:\n%s", text, textOf(t, preview))
		}
	}
}

func TestRun_QuotaStopsTheImport(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storetest.SQLite, keyModes()["Clerk gets the primary key"], 40)
	w.clerk = nil
	full := clerktest.NewServer(clerktest.Config{MaxUsers: 5})
	api := httptest.NewServer(full)
	t.Cleanup(api.Close)
	w.clerk, w.clerkURL = full, api.URL+"/v1"
	report, err := w.run(stop{}, nil)
	if err == nil || !strings.Contains(err.Error(), "production instance") || report.Created != 5 || len(full.Users()) != 5 {
		t.Errorf("%+v, %v; want 5 created, then the reason", withoutRows(report), err)
	}
}

func TestRun_ThrottledAndUnavailableAreRetried(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storetest.SQLite, keyModes()["Clerk gets the primary key"], 40)
	var waits atomic.Int64
	report, err := w.run(stop{faults: []clerktest.Fault{
		{Match: clerktest.On("POST", "/users"), Times: 2, Respond: clerktest.Empty503()},
		{Match: clerktest.On("GET", "/users"), Times: 2, Respond: clerktest.HTML502()},
	}}, func(c *importer.Config) {
		c.Wait = func(context.Context, time.Duration) error { waits.Add(1); return nil }
	})
	if created, _, _, _ := w.want(); err != nil || report.Created != created || waits.Load() == 0 {
		t.Errorf("%+v, %v after %d waits", withoutRows(report), err, waits.Load())
	}
	w.wantEnd()
}

// A person who has the row's key as external_id by chance does not get the row.
func TestRun_ForeignExternalID(t *testing.T) {
	t.Parallel()
	for name, mode := range keyModes() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, storetest.SQLite, mode, 20)
			stranger := w.clerk.SignUp(clerktest.Person{Email: "stranger@canary.example", ExternalID: "17"})
			report, err := w.run(stop{}, nil)
			if err != nil {
				t.Fatal(err)
			}
			refused := slices.ContainsFunc(report.Refused, func(r importer.RefusedRow) bool {
				return r == importer.RefusedRow{Key: "17", Reason: importer.ExternalIDForeign, ClerkUserID: user.ID(stranger)}
			})
			if rekeys := mode.mapping.Key.Holds == user.HoldsClerkID; refused != rekeys {
				t.Errorf("refused: %v, want %v: %v", refused, rekeys, report.Refused)
			}
			if got := w.raw.Query("SELECT * FROM people WHERE id = '17'"); len(got) != 1 || got[0]["clerk_id"] != nil {
				t.Errorf("the row is %v", got)
			}
		})
	}
}

// The operator, which runs beside the import, may give a row its key first, or insert another one.
func TestRun_BesideTheOperator(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storetest.SQLite, keyModes()["a column gets the Clerk id"], 12)
	u := w.clerk.SignUp(clerktest.Person{Email: "person10@canary.example", ExternalID: "10"})
	w.raw.Exec("INSERT INTO people (id, clerk_id, given, family, rank, since) VALUES (99, '" + u + "', '', '', 'CLIENT', 1)")
	report, err := w.run(stop{}, nil)
	if err != nil || report.Reasons[importer.KeyTaken] != 1 || report.Existing != 1 {
		t.Errorf("%+v, %v; want one key taken", withoutRows(report), err)
	}
}

func TestRun_ClerkRefusesPassword(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storetest.SQLite, keyModes()["Clerk gets the primary key"], 12)
	report, err := w.run(stop{faults: []clerktest.Fault{{
		Match: clerktest.On("POST", "/users"), Times: 1, Respond: clerktest.Static(422, "application/json",
			`{"errors":[{"message":"m","long_message":"l","code":"form_password_digest_invalid_code","meta":{"param_name":"password_digest"}}]}`),
	}}}, nil)
	created, _, _, _ := w.want()
	if err != nil || report.Created != created || report.Notes[importer.PasswordRefused] != 1 {
		t.Errorf("%+v, %v; want %d created, one without the password", withoutRows(report), err, created)
	}
}

func TestRun_WithoutPasswordColumnReadsNoPassword(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storetest.SQLite, keyModes()["Clerk gets the primary key"], 12)
	report, err := w.run(stop{}, func(c *importer.Config) { c.PasswordColumn, c.Markers = "", false })
	created, _, _, _ := w.want()
	if err != nil || !cmp.Equal(report.Passwords, map[string]int{"": created}) || len(report.Notes) != 0 {
		t.Errorf("%+v, %v; want %d without a password", withoutRows(report), err, created)
	}
	for _, u := range w.clerk.Users() {
		if u.PasswordEnabled {
			t.Errorf("%s has a password", u.ID)
		}
	}
}

func textOf(t *testing.T, report importer.Report) string {
	t.Helper()
	var text strings.Builder
	if err := report.Text(&text); err != nil {
		t.Fatal(err)
	}
	return text.String()
}
