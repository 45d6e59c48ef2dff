package store

import (
	"database/sql"

	"github.com/fitai/fituser-operator/internal/user"
)

// mysqlTable returns the parameters of the catalog queries. Without a schema, the database of the URL has the table.
func mysqlTable(m *user.Mapping) []any {
	return []any{sql.NullString{String: m.Schema, Valid: m.Schema != ""}, m.Table}
}

// mysqlOurs selects the table in the catalogs, whose alias is t. The catalogs compare without case; on most servers, names of
// tables have one.
const mysqlOurs = "t.table_schema = COALESCE($1, DATABASE()) AND t.table_name = $2 " +
	"AND (@@lower_case_table_names <> 0 OR CAST(t.table_name AS binary) = CAST($2 AS binary))"

// mysqlRelation does not know whether the login may delete: the privilege may come from a role, from PUBLIC or from a
// pattern of databases. [dialect].probe finds out.
const mysqlRelation = `
SELECT COALESCE((
           SELECT CASE WHEN t.table_type NOT IN ('BASE TABLE', 'SYSTEM VERSIONED') THEN LOWER(t.table_type)
                       WHEN e.transactions = 'YES' THEN 'table'
                       ELSE CONCAT('table of the engine ', COALESCE(t.engine, '?'), ', which has no transactions') END
           FROM information_schema.tables AS t LEFT JOIN information_schema.engines AS e ON e.engine = t.engine
           WHERE ` + mysqlOurs + `), ''),
       true,
       CAST(@@global.read_only AS char) NOT IN ('0', 'OFF'),
       CONCAT('the database ', COALESCE($1, DATABASE()), ', or the login has no privilege on it')`

// mysqlColumns leaves out generated columns. MariaDB's type json is a longtext with a CHECK. The list of privileges includes
// those that come from roles and from the table.
const mysqlColumns = `
SELECT t.column_name,
       CASE /*M! WHEN t.data_type = 'longtext' AND EXISTS (
                SELECT 1 FROM information_schema.check_constraints AS c
                WHERE c.constraint_schema = t.table_schema AND c.table_name = t.table_name
                      AND c.check_clause = CONCAT('json_valid(` + "`', t.column_name, '`" + `)')) THEN 'json' */
            WHEN t.data_type IN ('varchar', 'char', 'text', 'tinytext', 'mediumtext', 'longtext') THEN 'text'
            WHEN t.column_type IN ('tinyint(1)', 'bit(1)') THEN 'boolean'
            WHEN t.data_type IN ('tinyint', 'smallint', 'mediumint', 'int', 'bigint') THEN 'integer'
            ELSE t.data_type END,
       t.column_type, NULLIF(t.column_default, 'NULL'), t.is_nullable = 'YES',
       t.is_nullable = 'NO' AND t.column_default IS NULL AND t.extra NOT LIKE '%auto_increment%',
       FIND_IN_SET('select', t.privileges) > 0, FIND_IN_SET('insert', t.privileges) > 0, FIND_IN_SET('update', t.privileges) > 0
FROM information_schema.columns AS t
WHERE ` + mysqlOurs + ` AND COALESCE(t.generation_expression, '') = ''
ORDER BY t.ordinal_position`

// mysqlUniques selects unique indexes over the whole of one column. An index over an expression is, for MariaDB, one over a
// generated column; MySQL has both.
const mysqlUniques = `
SELECT CASE WHEN t.column_name IS NULL OR c.generation_expression <> '' THEN '' ELSE t.column_name END,
       CASE WHEN t.column_name IS NULL THEN CONCAT('' /*!80013 , t.expression */)
            WHEN c.generation_expression <> '' THEN c.generation_expression
            ELSE CONCAT('` + "`', REPLACE(t.column_name, '`', '``'), '`" + `') END,
       '', t.column_name IS NOT NULL AND COALESCE(c.generation_expression, '') = ''
FROM information_schema.statistics AS t LEFT JOIN information_schema.columns AS c
     ON c.table_schema = t.table_schema AND c.table_name = t.table_name AND c.column_name = t.column_name
WHERE ` + mysqlOurs + ` AND t.non_unique = 0 AND t.seq_in_index = 1 AND t.sub_part IS NULL
      AND t.index_name NOT IN (SELECT t.index_name FROM information_schema.statistics AS t
                               WHERE ` + mysqlOurs + ` AND t.seq_in_index > 1)`

const mysqlPrimary = `
SELECT t.column_name FROM information_schema.statistics AS t WHERE ` + mysqlOurs + ` AND t.index_name = 'PRIMARY'`

// mysqlReferences does not find tables on which the login has no privilege. The server itself refuses to change the key while
// their rows refer to it. InnoDB takes ON UPDATE CASCADE for RESTRICT where a table refers to itself.
const mysqlReferences = `
SELECT DISTINCT CASE WHEN k.table_schema = DATABASE() THEN k.table_name ELSE CONCAT(k.table_schema, '.', k.table_name) END,
       r.update_rule = 'CASCADE' AND NOT (k.table_schema = k.referenced_table_schema AND k.table_name = k.referenced_table_name)
FROM information_schema.key_column_usage AS k JOIN information_schema.referential_constraints AS r
     ON r.constraint_schema = k.constraint_schema AND r.constraint_name = k.constraint_name AND r.table_name = k.table_name
WHERE k.referenced_table_schema = COALESCE($1, DATABASE()) AND k.referenced_table_name = $2 AND k.referenced_column_name = $3`

// mysqlCatalog writes the JSON lists itself. The labels of an enum are in its type, with backslashes as in JSON: enum('a','b').
const mysqlCatalog = `
SELECT ` + mysqlOurs + `, t.table_schema = DATABASE(), t.table_schema, t.table_name,
       e.entry, e.name, e.type, e.nullable, e.standard, e.made, e.list
FROM information_schema.tables AS t JOIN (
    SELECT c.table_schema, c.table_name, c.ordinal_position AS place, 'column' AS entry, c.column_name AS name,
           CASE WHEN c.data_type = 'enum' THEN 'enum' WHEN c.column_type IN ('tinyint(1)', 'bit(1)') THEN 'boolean'
                ELSE c.column_type END AS type,
           c.is_nullable = 'YES' AS nullable, NULLIF(c.column_default, 'NULL') AS standard,
           c.extra LIKE '%auto_increment%' OR COALESCE(c.generation_expression, '') <> '' AS made,
           CASE WHEN c.data_type = 'enum' THEN CONCAT('["', REPLACE(REPLACE(REPLACE(
               SUBSTRING(c.column_type, 7, CHAR_LENGTH(c.column_type) - 8), '"', '\\"'), ''',''', '","'), '''''', ''''), '"]') END AS list
    FROM information_schema.columns AS c
    UNION ALL
    SELECT s.table_schema, s.table_name, 10000, CASE WHEN s.index_name = 'PRIMARY' THEN 'primary' ELSE 'unique' END,
           '', '', false, NULL, false,
           CONCAT('["', GROUP_CONCAT(REPLACE(REPLACE(s.column_name, '\\', '\\\\'), '"', '\\"')
                                     ORDER BY s.seq_in_index SEPARATOR '","'), '"]')
    FROM information_schema.statistics AS s WHERE s.non_unique = 0
    GROUP BY s.table_schema, s.table_name, s.index_name
    HAVING COUNT(s.column_name) = COUNT(*) AND COUNT(s.sub_part) = 0
) AS e ON e.table_schema = t.table_schema AND e.table_name = t.table_name
WHERE t.table_type IN ('BASE TABLE', 'SYSTEM VERSIONED')
      AND t.table_schema NOT IN ('mysql', 'information_schema', 'performance_schema', 'sys')
ORDER BY 1 DESC, 2 DESC, t.table_schema, t.table_name, e.place, e.list`
