package hrana

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// token matches what can contain a parameter or a semicolon without being one, then parameters and semicolons.
var token = regexp.MustCompile(`(?s)'(?:[^']|'')*'|"(?:[^"]|"")*"|` + "`(?:[^`]|``)*`" +
	`|\[[^\]]*\]|--[^\n]*|/\*.*?\*/|[\pL_][\pL\pN_$]*|\?\d*|[:@$][\pL\pN_]+|;`)

// parameter is a parameter of a statement, by number or by name. A name has its first character, one of : @ $.
type parameter struct {
	number int
	name   string
}

func (p parameter) String() string {
	if p.name != "" {
		return p.name
	}
	return strconv.Itoa(p.number)
}

// parametersOf returns the parameters as SQLite numbers them.
func parametersOf(text string) []parameter {
	var all []parameter
	named := map[string]bool{}
	for _, found := range token.FindAllString(text, -1) {
		switch found[0] {
		case '?':
			number := len(all) + 1
			if len(found) > 1 {
				number, _ = strconv.Atoi(found[1:]) // the pattern allows digits only
			}
			for len(all) < number {
				all = append(all, parameter{number: len(all) + 1})
			}
		case ':', '@', '$':
			if !named[found] {
				named[found] = true
				all = append(all, parameter{number: len(all) + 1, name: found})
			}
		}
	}
	return all
}

var trigger = regexp.MustCompile(`(?is)^\s*CREATE\s+(TEMP\s+|TEMPORARY\s+)?TRIGGER\s`)

// statementsIn returns how many statements the text has. A trigger's body contains semicolons.
func statementsIn(text string) int {
	if trigger.MatchString(text) {
		return 1
	}
	n, blank := 0, true
	rest := 0
	for _, at := range token.FindAllStringIndex(text, -1) {
		if strings.TrimSpace(text[rest:at[0]]) != "" {
			blank = false
		}
		rest = at[1]
		switch found := text[at[0]:at[1]]; {
		case found == ";":
			if !blank {
				n++
			}
			blank = true
		case !strings.HasPrefix(found, "--") && !strings.HasPrefix(found, "/*"):
			blank = false
		}
	}
	if !blank || strings.TrimSpace(text[rest:]) != "" {
		n++
	}
	return n
}

var (
	pragma    = regexp.MustCompile(`(?is)^\s*PRAGMA\s+(?:\w+\.)?(\w+)\s*(.*)$`)
	forbidden = regexp.MustCompile(`(?is)^\s*(VACUUM|ANALYZE|CREATE\s+TEMP|CREATE\s+TEMPORARY)\b`)
)

// isInsert reports whether the result of the statement has the number of the new row.
func isInsert(text string) bool {
	return regexp.MustCompile(`(?is)^\s*(INSERT|REPLACE)\b`).MatchString(text)
}

// refuse returns the refusal of what sqld does not execute over HTTP; see StmtKind in its query_analysis.rs.
func refuse(text string) error {
	switch n := statementsIn(text); {
	case n == 0:
		return &refusal{Code: "SQL_NO_STATEMENT", Message: "SQL string does not contain any statement"}
	case n > 1:
		return &refusal{Code: "SQL_MANY_STATEMENTS", Message: "SQL string contains more than one statement"}
	}
	refused := forbidden.MatchString(text)
	if parts := pragma.FindStringSubmatch(text); parts != nil {
		refused = !allowsPragma(strings.ToLower(parts[1]), strings.Trim(parts[2], "; \n\t") != "")
	}
	if !refused {
		return nil
	}
	return &refusal{Code: "SQL_PARSE_ERROR", Message: fmt.Sprintf("SQL string could not be parsed: unsupported statement: %s", text)}
}

func allowsPragma(name string, hasArgument bool) bool {
	always := []string{"table_list", "index_list", "table_info", "table_xinfo", "index_info", "index_xinfo", "pragma_list",
		"compile_options", "database_list", "function_list", "module_list", "encoding", "defer_foreign_keys", "foreign_keys",
		"foreign_key_list", "foreign_key_check", "collation_list", "data_version", "freelist_count", "integrity_check",
		"page_count", "quick_check", "user_version"}
	reading := []string{"schema_version", "application_id", "busy_timeout", "journal_mode", "page_size", "query_only",
		"recursive_triggers", "synchronous"}
	return slices.Contains(always, name) || (!hasArgument && slices.Contains(reading, name))
}
