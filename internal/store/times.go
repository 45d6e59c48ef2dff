package store

import (
	"context"
	"database/sql"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/fitai/fituser-operator/internal/user"
)

// foundUnit is how an integer column holds a time, according to its default and to the rows; empty where they do not show
// it.
type foundUnit struct {
	byDefault user.TimeUnit
	// byRows are the units of the smallest and the greatest sampled value: one or two.
	byRows []user.TimeUnit
}

// otherUnit is a unit that the operator does not write.
const otherUnit user.TimeUnit = "another unit"

// Numbers show their unit: in seconds since 1970, millisecondsFrom is the year 5138, in milliseconds the year 1973.
const (
	millisecondsFrom = 100_000_000_000
	microsecondsFrom = 1000 * millisecondsFrom
)

func unitOfNumber(n int64) user.TimeUnit {
	switch {
	case n >= microsecondsFrom:
		return otherUnit
	case n >= millisecondsFrom:
		return user.Milliseconds
	default:
		return user.Seconds
	}
}

// readTimes finds out the units of the columns that hold a time as an integer.
func (t *tableSchema) readTimes(ctx context.Context, tx *sql.Tx) error {
	for _, name := range t.timeColumns() {
		c := t.column(name)
		if c.kind != kindInteger || !c.selectable {
			continue
		}
		found := foundUnit{byDefault: unitOfDefault(c.standard)}
		var least, greatest sql.NullInt64
		if err := tx.QueryRowContext(ctx, t.sample(name)).Scan(&least, &greatest); err != nil {
			return err
		}
		if least.Valid {
			found.byRows = slices.Compact([]user.TimeUnit{unitOfNumber(least.Int64), unitOfNumber(greatest.Int64)})
		}
		t.times[t.dialect.fold(name)] = found
	}
	return nil
}

// sample returns a query of the least and the greatest time of some rows. Its cost does not grow with the table: it reads
// some rows of any place, and those at the end of the key's index.
func (t *tableSchema) sample(name string) string {
	column := t.dialect.quote(name)
	rows := "SELECT moment FROM (SELECT " + column + " AS moment FROM " + t.quotedName() + " LIMIT 1000) AS somewhere"
	if key := t.mapping.Key.Column; t.uniqueKey && t.column(key).selectable {
		rows += " UNION ALL SELECT moment FROM (SELECT " + column + " AS moment FROM " + t.quotedName() +
			" ORDER BY " + t.dialect.quote(key) + " DESC LIMIT 100) AS latest"
	}
	return "SELECT min(moment), max(moment) FROM (" + rows + ") AS sample WHERE moment > 0"
}

var (
	perSecond = regexp.MustCompile(`\b(1000|86400000)(\.0*)?\b|\b1e3\b|'%f'`)
	perMicro  = regexp.MustCompile(`\b1000000(\.0*)?\b|\b1e6\b`)
)

// unitOfDefault returns the unit that the default of a column shows.
func unitOfDefault(standard string) user.TimeUnit {
	text := strings.ToLower(strings.Trim(standard, "'() "))
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		if n < 1_000_000 { // 0 and other numbers that are no time
			return ""
		}
		return unitOfNumber(n)
	}
	text = strings.ToLower(standard)
	isEpoch := slices.ContainsFunc([]string{"epoch", "'%s'", "unix_timestamp"}, func(part string) bool { return strings.Contains(text, part) })
	isDays := strings.Contains(text, "julianday") && strings.Contains(text, "86400")
	switch {
	case !isEpoch && !isDays:
		return ""
	case perMicro.MatchString(text):
		return otherUnit
	case perSecond.MatchString(text):
		return user.Milliseconds
	default:
		return user.Seconds
	}
}

// evidence returns the units that a column's type, default and rows show, the strongest first.
func (t *tableSchema) evidence(name string) []user.TimeUnit {
	found := t.times[t.dialect.fold(name)]
	var units []user.TimeUnit
	if t.isNarrow(name) {
		units = append(units, user.Seconds)
	}
	if found.byDefault != "" {
		units = append(units, found.byDefault)
	}
	return append(units, found.byRows...)
}

// isNarrow reports whether a column is too small for milliseconds.
func (t *tableSchema) isNarrow(name string) bool {
	c := t.column(name)
	return c.kind == kindInteger && t.dialect.narrow != nil && t.dialect.narrow(c.sqlType)
}

// tableUnit returns the unit that the table's columns show; empty when none does.
func (t *tableSchema) tableUnit() user.TimeUnit {
	for _, name := range t.timeColumns() {
		if units := t.evidence(name); len(units) > 0 {
			return units[0]
		}
	}
	return ""
}

// unitOf returns how an integer column holds a time. A column that does not show it is like the table's others. FitAI's own
// table is in seconds.
func (t *tableSchema) unitOf(name string) user.TimeUnit {
	for _, unit := range append(append([]user.TimeUnit{t.mapping.Times}, t.evidence(name)...), t.tableUnit()) {
		if unit == user.Seconds || unit == user.Milliseconds {
			return unit
		}
	}
	return user.Seconds
}

// clockOf returns how a column holds a time.
func (t *tableSchema) clockOf(name string) codec {
	kind := t.column(name).kind
	if kind == kindInteger {
		return t.dialect.clocks[t.unitOf(name)]
	}
	return t.dialect.codecs[useTime][kind]
}

// wrongTimes returns the columns whose unit is not known, or is not as the mapping has it.
func (t *tableSchema) wrongTimes() []string {
	var wrong []string
	for _, name := range t.timeColumns() {
		c := t.column(name)
		_, isNative := t.dialect.codecs[useTime][c.kind]
		inMapping := t.mapping.Times == user.Seconds || t.mapping.Times == user.Milliseconds
		problem := ""
		switch {
		case c.name == "":
		case isNative && inMapping:
			problem = fmt.Sprintf("is %s and times is %s: remove times from the mapping file, or set it to native", c.sqlType, t.mapping.Times)
		case c.kind != kindInteger:
		case t.mapping.Times == user.Native:
			problem = fmt.Sprintf("is %s and times is native: set times: seconds or milliseconds in the mapping file", c.sqlType)
		case inMapping:
			problem = t.contradiction(name)
		default:
			problem = t.unknownUnit(name)
		}
		if problem != "" {
			wrong = append(wrong, "column "+name+" "+problem)
		}
	}
	return wrong
}

// contradiction returns why the unit of the mapping cannot be the column's.
func (t *tableSchema) contradiction(name string) string {
	units := t.evidence(name)
	switch {
	case t.isNarrow(name) && t.mapping.Times == user.Milliseconds:
		return "is " + t.column(name).sqlType + ", which is too small for milliseconds: make it bigint, or set times: seconds in the mapping file"
	case len(units) > 0 && !slices.Contains(units, t.mapping.Times):
		return fmt.Sprintf("holds times in %s, and times is %s: correct times in the mapping file", units[0], t.mapping.Times)
	default:
		return ""
	}
}

// hasDefaultTimes reports whether the times look like those of FitAI's own table, which are documented to be in seconds.
func (t *tableSchema) hasDefaultTimes() bool {
	own := user.DefaultMapping()
	return t.mapping.Table == own.Table && t.mapping.CreatedAt == own.CreatedAt && t.mapping.UpdatedAt == own.UpdatedAt
}

// unknownUnit returns why the unit of a column is not known.
func (t *tableSchema) unknownUnit(name string) string {
	units := t.evidence(name)
	switch {
	case slices.Contains(units, otherUnit):
		return "holds neither seconds nor milliseconds since 1970: map another column, or null"
	case len(units) == 0 && t.tableUnit() == "" && !t.hasDefaultTimes():
		return "is " + t.column(name).sqlType + ", and neither default nor rows show its unit: set times: seconds or milliseconds in the mapping file"
	case len(units) == 0 || t.isNarrow(name):
		return ""
	default:
		return t.times[t.dialect.fold(name)].disagreement()
	}
}

// disagreement returns how the default and the rows of a column show two units. A default decides between two kinds of rows.
func (f foundUnit) disagreement() string {
	const correct = ": set times: in the mapping file to what the application writes, and correct the other rows"
	switch {
	case f.byDefault == "" && len(f.byRows) > 1:
		return fmt.Sprintf("has rows in %s and rows in %s", f.byRows[0], f.byRows[1]) + correct
	case f.byDefault != "" && len(f.byRows) == 1 && f.byDefault != f.byRows[0]:
		return fmt.Sprintf("has a default in %s and rows in %s", f.byDefault, f.byRows[0]) + correct
	default:
		return ""
	}
}
