package store_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fitai/fituser-operator/internal/store"
	"github.com/fitai/fituser-operator/internal/store/storetest"
	"github.com/fitai/fituser-operator/internal/user"
)

const (
	seconds      = 1_700_000_000
	milliseconds = 1000 * seconds
)

// stamped returns a table with created_at and updated_at of this definition, and rows with these times.
func stamped(table, clock, definition string, times ...int64) []string {
	ddl := []string{strings.ReplaceAll(table, "_at "+clock+" NOT NULL", "_at "+definition)}
	for i, moment := range times {
		ddl = append(ddl, fmt.Sprintf("INSERT INTO users (id, email, first_name, last_name, created_at, updated_at)"+
			" VALUES ('row%[1]d', 'row%[1]d', '', '', %[2]d, %[2]d)", i, moment))
	}
	return ddl
}

// both returns the problem for both columns.
func both(problem string) []string {
	return []string{"column created_at " + problem, "column updated_at " + problem}
}

// A time in the wrong unit is a date in 1970 or in 55840 for the application.
func TestTimes_UnitOfIntegerColumns(t *testing.T) {
	t.Parallel()
	const correct = ": set times: in the mapping file to what the application writes, and correct the other rows"
	for name, column := range map[string]struct {
		definition string
		rows       []int64
		times      user.TimeUnit
		want       user.TimeUnit
		problem    string
	}{
		"drizzle milliseconds":              {definition: "integer DEFAULT (cast(unixepoch('subsecond') * 1000 as integer))", want: user.Milliseconds},
		"unixepoch":                         {definition: "integer NOT NULL DEFAULT (unixepoch())", want: user.Seconds},
		"strftime":                          {definition: "integer DEFAULT (strftime('%s','now'))", want: user.Seconds},
		"strftime in milliseconds":          {definition: "integer DEFAULT (strftime('%s', 'now') * 1000)", want: user.Milliseconds},
		"strftime with fractions":           {definition: "integer DEFAULT (strftime('%s','now') || substr(strftime('%f','now'),4))", want: user.Milliseconds},
		"julianday in milliseconds":         {definition: "integer DEFAULT (cast((julianday('now') - 2440587.5)*86400000 as integer))", want: user.Milliseconds},
		"julianday in seconds":              {definition: "integer DEFAULT (cast((julianday('now') - 2440587.5)*86400 as integer))", want: user.Seconds},
		"a number of milliseconds":          {definition: "integer DEFAULT 1700000000000", want: user.Milliseconds},
		"zero":                              {definition: "integer DEFAULT 0", rows: []int64{milliseconds}, want: user.Milliseconds},
		"microseconds":                      {definition: "integer DEFAULT (unixepoch() * 1000000)", problem: "holds neither seconds nor milliseconds since 1970: map another column, or null"},
		"rows in milliseconds":              {definition: "integer", rows: []int64{milliseconds, milliseconds + 1}, want: user.Milliseconds},
		"rows in seconds":                   {definition: "bigint", rows: []int64{0, seconds}, want: user.Seconds},
		"rows in microseconds":              {definition: "integer", rows: []int64{1000 * milliseconds}, problem: "holds neither seconds nor milliseconds since 1970: map another column, or null"},
		"rows in both":                      {definition: "integer", rows: []int64{milliseconds, seconds}, problem: "has rows in seconds and rows in milliseconds" + correct},
		"rows in both, set in mapping":      {definition: "integer", rows: []int64{milliseconds, seconds}, times: user.Milliseconds, want: user.Milliseconds},
		"default and rows agree":            {definition: "integer DEFAULT (unixepoch())", rows: []int64{seconds}, want: user.Seconds},
		"default and some rows agree":       {definition: "integer DEFAULT (unixepoch() * 1000)", rows: []int64{seconds, milliseconds}, want: user.Milliseconds},
		"default and rows disagree":         {definition: "integer DEFAULT (unixepoch())", rows: []int64{milliseconds}, problem: "has a default in seconds and rows in milliseconds" + correct},
		"disagree, set in mapping":          {definition: "integer DEFAULT (unixepoch())", rows: []int64{milliseconds}, times: user.Milliseconds, want: user.Milliseconds},
		"nothing":                           {definition: "integer", want: user.Seconds},
		"nothing, milliseconds in mapping":  {definition: "integer", times: user.Milliseconds, want: user.Milliseconds},
		"seconds in mapping are wrong":      {definition: "integer", rows: []int64{milliseconds}, times: user.Seconds, problem: "holds times in milliseconds, and times is seconds: correct times in the mapping file"},
		"milliseconds in mapping are wrong": {definition: "integer DEFAULT (unixepoch())", times: user.Milliseconds, problem: "holds times in seconds, and times is milliseconds: correct times in the mapping file"},
		"native in mapping is wrong":        {definition: "integer", times: user.Native, problem: "is integer and times is native: set times: seconds or milliseconds in the mapping file"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			databaseURL := storetest.SQLite(t, stamped(storetest.SQLiteTable, "integer", column.definition, column.rows...)...)
			mapping := *user.DefaultMapping()
			mapping.Times = column.times
			db := open(t, databaseURL, store.Options{Mapping: &mapping, Now: func() time.Time { return time.Unix(seconds+1, 0) }})
			if column.problem != "" {
				wantProblems(t, db, both(column.problem)...)
				return
			}
			put(t, db, jane())
			wantStamps(t, storetest.OpenRaw(t, databaseURL), column.want)
			if row, err := db.Get(t.Context(), "user_jane"); err != nil || !row.CreatedAt.Equal(jane().CreatedAt) {
				t.Errorf("read %s, error %v", row.CreatedAt, err)
			}
		})
	}
}

// wantStamps fails unless the times of jane's row are in the unit.
func wantStamps(t *testing.T, raw *storetest.Raw, unit user.TimeUnit) {
	t.Helper()
	factor := int64(1)
	if unit == user.Milliseconds {
		factor = 1000
	}
	row := raw.Row("user_jane")
	if row["created_at"] != jane().CreatedAt.Unix()*factor || row["updated_at"] != (seconds+1)*factor {
		t.Errorf("times %v and %v, want %s", row["created_at"], row["updated_at"], unit)
	}
}

func TestTimes_UnitOfPostgresColumns(t *testing.T) {
	t.Parallel()
	for name, column := range map[string]struct {
		definition string
		rows       []int64
		times      user.TimeUnit
		want       user.TimeUnit
		problem    string
	}{
		"milliseconds by default": {definition: "bigint DEFAULT (extract(epoch from now()) * 1000)", want: user.Milliseconds},
		"seconds by default":      {definition: "bigint DEFAULT date_part('epoch', now())::int", want: user.Seconds},
		"milliseconds by rows":    {definition: "bigint", rows: []int64{milliseconds}, want: user.Milliseconds},
		"too small":               {definition: "integer", want: user.Seconds},
		"too small for the mapping": {definition: "integer", times: user.Milliseconds,
			problem: "is integer, which is too small for milliseconds: make it bigint, or set times: seconds in the mapping file"},
		"native": {definition: "timestamptz", times: user.Seconds, problem: "is timestamp with time zone and times is seconds: remove times from the mapping file, or set it to native"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			databaseURL := server.URL(t, stamped(storetest.PostgresTable, "timestamptz", column.definition, column.rows...)...)
			mapping := *user.DefaultMapping()
			mapping.Times = column.times
			db := open(t, databaseURL, store.Options{Mapping: &mapping, Now: func() time.Time { return time.Unix(seconds+1, 0) }})
			if column.problem != "" {
				wantProblems(t, db, both(column.problem)...)
				return
			}
			put(t, db, jane())
			wantStamps(t, storetest.OpenRaw(t, databaseURL), column.want)
		})
	}
}

// Only FitAI's own table is known to hold seconds. A column without any sign follows the others.
func TestTimes_OfAnotherTable(t *testing.T) {
	t.Parallel()
	mapping := *user.DefaultMapping()
	mapping.Table = "members"
	table := func(created string) string {
		return strings.NewReplacer("TABLE users", "TABLE members", "created_at integer NOT NULL", "created_at "+created).Replace(storetest.SQLiteTable)
	}
	const unknown = "is integer, and neither default nor rows show its unit: set times: seconds or milliseconds in the mapping file"
	empty := storetest.SQLite(t, table("integer"))
	wantProblems(t, open(t, empty, store.Options{Mapping: &mapping}), both(unknown)...)

	databaseURL := storetest.SQLite(t, table("integer DEFAULT (unixepoch() * 1000)"))
	put(t, open(t, databaseURL, store.Options{Mapping: &mapping, Now: func() time.Time { return time.Unix(seconds, 0) }}), jane())
	if row := storetest.OpenRaw(t, databaseURL).Query("SELECT updated_at FROM members")[0]; row["updated_at"] != int64(milliseconds) {
		t.Errorf("updated_at is %v", row["updated_at"])
	}
}
