package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"

	"github.com/fitai/fituser-operator/internal/user"
)

// TableInfo describes a table of the application as the database's catalogs contain it.
type TableInfo struct {
	// Schema is empty on an engine without schemas.
	Schema, Name string
	// Visible is true for a table that the database finds without the schema's name.
	Visible bool
	// Mapped is true for the table that the mapping in force names.
	Mapped     bool
	Columns    []ColumnInfo
	PrimaryKey []string
	// Unique are the unique indexes over plain columns and all rows, without the primary key.
	Unique [][]string
}

// ColumnInfo describes a column.
type ColumnInfo struct {
	Name, Type string
	Nullable   bool
	// Default is the SQL of the default; empty without one.
	Default string
	// Generated is true for a column that the database fills by itself.
	Generated bool
	// TimeUnit is the unit of times that the default of an integer shows; empty when it shows none.
	TimeUnit user.TimeUnit
	// EnumLabels are the texts that an enum allows; nil for another type.
	EnumLabels []string
}

// maxCatalog limits how many columns and indexes [DB.Catalog] reads. The mapped table is the first, and those that are
// visible come before all others.
const maxCatalog = 20_000

// Catalog returns the tables that the login can see, without views. It does not need a table that fits the mapping, and
// returns none for an engine that does not offer it.
func (db *DB) Catalog(ctx context.Context) ([]TableInfo, error) {
	if db.dialect.catalog == "" {
		return nil, nil
	}
	select {
	case db.slots <- struct{}{}:
		defer func() { <-db.slots }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	ctx, cancel := context.WithTimeout(ctx, db.timeout)
	defer cancel()
	var found catalog
	err := db.inTx(ctx, func(tx *sql.Tx) error {
		found = catalog{}
		query := db.dialect.statement(fmt.Sprintf("%s LIMIT %d", db.dialect.catalog, maxCatalog))
		return eachRow(ctx, tx, query.text, query.args(db.dialect.tableArgs(db.mapping)), found.add)
	})
	return found.tables, db.classify(err)
}

type catalog struct{ tables []TableInfo }

// add reads one row of the catalog query: a column, the primary key or a unique index.
func (c *catalog) add(rows *sql.Rows) error {
	var table TableInfo
	var column ColumnInfo
	var entry string
	var standard, list sql.NullString
	err := rows.Scan(&table.Mapped, &table.Visible, &table.Schema, &table.Name, &entry, &column.Name, &column.Type, &column.Nullable,
		&standard, &column.Generated, &list)
	if err != nil {
		return err
	}
	column.Default, column.TimeUnit = standard.String, unitOfDefault(standard.String)
	var texts []string
	if list.Valid && json.Unmarshal([]byte(list.String), &texts) != nil {
		texts = nil // a label has an escape that JSON does not know
	}
	last := len(c.tables) - 1
	if last < 0 || c.tables[last].Schema != table.Schema || c.tables[last].Name != table.Name {
		c.tables = append(c.tables, table)
		last++
	}
	switch current := &c.tables[last]; entry {
	case "primary":
		current.PrimaryKey = texts
	case "unique":
		current.Unique = append(current.Unique, texts)
	default:
		column.EnumLabels = texts
		current.Columns = append(current.Columns, column)
	}
	return nil
}

// SameName reports whether two names are one column to the database.
func (db *DB) SameName(a, b string) bool { return db.dialect.fold(a) == db.dialect.fold(b) }

// The catalog queries return, for each table and in the order of the tables: whether it is the mapped one, whether it is
// visible, schema, table, the kind of entry (column, primary or unique), the column's name, type, nullable, default,
// generated, and a JSON list: an enum's labels, or the columns of an index.
const (
	postgresCatalog = `
SELECT c.oid IS NOT DISTINCT FROM to_regclass($1), pg_table_is_visible(c.oid), n.nspname, c.relname,
       e.entry, e.name, e.type, e.nullable, e.standard, e.generated, e.list
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace CROSS JOIN LATERAL (
    SELECT a.attnum AS place, 'column' AS entry, a.attname AS name, format_type(a.atttypid, NULL) AS type,
           NOT (a.attnotnull OR t.typnotnull) AS nullable,
           CASE WHEN a.attgenerated = '' THEN pg_get_expr(d.adbin, d.adrelid) END AS standard,
           a.attgenerated <> '' OR a.attidentity <> '' AS generated,
           (SELECT json_agg(l.enumlabel ORDER BY l.enumsortorder) FROM pg_enum AS l
            WHERE l.enumtypid = coalesce(nullif(t.typbasetype, 0), t.oid))::text AS list
    FROM pg_attribute AS a JOIN pg_type AS t ON t.oid = a.atttypid
         LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    UNION ALL
    SELECT 10000, CASE WHEN i.indisprimary THEN 'primary' ELSE 'unique' END, '', '', false, NULL, false,
           (SELECT json_agg(a.attname ORDER BY k.place) FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS k (attnum, place)
            JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = k.attnum WHERE k.place <= i.indnkeyatts)::text
    FROM pg_index AS i
    WHERE i.indrelid = c.oid AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
) AS e
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence <> 't' AND has_schema_privilege(n.oid, 'USAGE')
      AND n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema'
ORDER BY 1 DESC, 2 DESC, 3, 4, e.place, e.list`
	sqliteCatalog = `
SELECT e.mapped, true, '', e.tbl, e.entry, e.name, e.type, e.nullable, e.standard, e.generated, e.list FROM (
    SELECT m.name = $1 COLLATE NOCASE AS mapped, m.name AS tbl, p.cid AS place, 'column' AS entry, p.name AS name,
           lower(p.type) AS type, NOT (p."notnull" OR (p.pk = 1 AND p.type = 'INTEGER' COLLATE NOCASE)) AS nullable,
           p.dflt_value AS standard,
           p.hidden > 0 OR (p.pk = 1 AND p.type = 'INTEGER' COLLATE NOCASE) AS generated, NULL AS list
    FROM sqlite_schema AS m JOIN pragma_table_xinfo(m.name) AS p
    WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite\_%' ESCAPE '\'
    UNION ALL
    SELECT m.name = $1 COLLATE NOCASE, m.name, 10000, 'primary', '', '', false, NULL, false,
           (SELECT json_group_array(k.name) FROM (SELECT name FROM pragma_table_info(m.name) WHERE pk > 0 ORDER BY pk) AS k)
    FROM sqlite_schema AS m WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite\_%' ESCAPE '\'
    UNION ALL
    SELECT m.name = $1 COLLATE NOCASE, m.name, 10001, 'unique', '', '', false, NULL, false,
           (SELECT json_group_array(k.name) FROM (SELECT name FROM pragma_index_info(i.name) ORDER BY seqno) AS k)
    FROM sqlite_schema AS m JOIN pragma_index_list(m.name) AS i
    WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite\_%' ESCAPE '\' AND i."unique" AND NOT i.partial AND i.origin <> 'pk'
          AND NOT EXISTS (SELECT 1 FROM pragma_index_info(i.name) WHERE name IS NULL)
) AS e
ORDER BY e.mapped DESC, e.tbl, e.place, e.list`
)
