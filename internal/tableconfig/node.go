package tableconfig

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

const (
	nullTag   = "!!null"
	stringTag = "!!str"
)

// position is where a value is: the path of its key, and the line.
type position struct {
	path string
	line int
}

// keyList is the keys that a section can have.
type keyList struct {
	// noun is what a key is called in a fault.
	noun  string
	names []string
	// hint returns the next step for an unknown key that resembles none; nil lists all keys.
	hint func(key string) string
}

// object calls read with each known key of a section. It reports the unknown keys, and those that occur twice.
func (p *parser) object(path string, node *yaml.Node, keys keyList, read func(key string, at position, value *yaml.Node)) {
	if node.Kind != yaml.MappingNode {
		p.fault(node.Line, path, "want keys and values, not %s: the keys are %s", describe(node), strings.Join(keys.names, ", "))
		return
	}
	lines := map[string]int{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		name, value := node.Content[i], node.Content[i+1]
		at := position{join(path, shortened(name.Value)), name.Line}
		before, twice := lines[name.Value]
		switch {
		case name.Kind != yaml.ScalarNode:
			p.fault(name.Line, path, "a key is %s: want one of %s", describe(name), strings.Join(keys.names, ", "))
		case twice:
			p.fault(at.line, at.path, "this key is also on line %d: remove one of the two", before)
		case !slices.Contains(keys.names, name.Value):
			p.fault(at.line, at.path, "%s", keys.unknown(name.Value))
		case value.Kind == yaml.AliasNode:
			p.fault(value.Line, at.path, "an alias (*%s): write the value here", value.Value)
		default:
			read(name.Value, at, value)
		}
		if name.Kind == yaml.ScalarNode && !twice {
			lines[name.Value] = name.Line
		}
	}
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// shortened bounds a text that a fault repeats.
func shortened(text string) string {
	const most = 80
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return text
}

func (k keyList) unknown(key string) string {
	text := "no such " + k.noun
	if meant := nearest(key, k.names); meant != "" {
		return text + ": did you mean " + meant + "?"
	}
	if k.hint != nil {
		if hint := k.hint(key); hint != "" {
			return text + ": " + hint
		}
	}
	return text + ": want one of " + strings.Join(k.names, ", ")
}

// describe names the kind of a value.
func describe(node *yaml.Node) string {
	switch {
	case node.Kind == yaml.MappingNode:
		return "keys and values"
	case node.Kind == yaml.SequenceNode:
		return "a list"
	case node.Kind == yaml.AliasNode:
		return "an alias"
	case node.Tag == nullTag:
		return "null"
	case node.Tag == stringTag:
		return "a text"
	default:
		return fmt.Sprintf("%q", shortened(node.Value))
	}
}

// text reads a text that is not empty.
func (p *parser) text(at position, node *yaml.Node) (text string, ok bool) {
	switch {
	case node.Kind == yaml.ScalarNode && node.Tag != stringTag && node.Tag != nullTag:
		p.fault(at.line, at.path, "want a text, and YAML reads %[1]s as something else: write %[1]q, with the quotation marks", shortened(node.Value))
	case node.Kind != yaml.ScalarNode || node.Tag == nullTag:
		p.fault(at.line, at.path, "want a text, not %s", describe(node))
	case node.Value == "":
		p.fault(at.line, at.path, "the text is empty: write a name, or remove the line")
	default:
		return node.Value, true
	}
	return "", false
}

// name reads a name of the database, or how it spells a role.
func (p *parser) name(at position, node *yaml.Node) (name string, ok bool) {
	name, ok = p.text(at, node)
	return name, ok && p.isName(at, name)
}

// maxName is how long a name may be in bytes. PostgreSQL cuts longer ones off.
const maxName = 63

func (p *parser) isName(at position, name string) bool {
	fault := nameFault(name)
	if fault != "" {
		p.fault(at.line, at.path, "%s", fault)
	}
	return fault == ""
}

// nameFault returns what is wrong with a name; empty when nothing is.
func nameFault(name string) string {
	switch first := name[:min(1, len(name))]; {
	case name == "":
		return "a name is empty: write the table's own name"
	case len(name) > maxName:
		return fmt.Sprintf("%q has %d bytes: a name has %d at most; write it as the database has it", shortened(name), len(name), maxName)
	case !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl):
		return fmt.Sprintf("%q contains a character that is no text: write the name without it", name)
	case len(name) > 1 && strings.HasSuffix(name, first) && (first == `"` || first == "`"):
		return fmt.Sprintf("%s has quotation marks: leave them out, as the operator adds them by itself", name)
	default:
		return ""
	}
}

// choice reads one of a few texts.
func choice[T ~string](p *parser, at position, node *yaml.Node, all ...T) T {
	text, ok := p.text(at, node)
	if !ok || slices.Contains(all, T(text)) {
		return T(text)
	}
	names := make([]string, len(all))
	for i, one := range all {
		names[i] = string(one)
	}
	if meant := nearest(text, names); meant != "" {
		p.fault(at.line, at.path, "no such value %q: did you mean %s?", shortened(text), meant)
	} else {
		p.fault(at.line, at.path, "no such value %q: want one of %s", shortened(text), strings.Join(names, ", "))
	}
	return ""
}

var days = regexp.MustCompile(`^([0-9]{1,5})d$`)

// duration reads a duration that is not negative; null and 0 are none.
func (p *parser) duration(at position, node *yaml.Node) time.Duration {
	if node.Tag == nullTag || node.Kind == yaml.ScalarNode && node.Value == "0" {
		return 0
	}
	text, ok := p.text(at, node)
	if !ok {
		return 0
	}
	duration, err := time.ParseDuration(text)
	switch match := days.FindStringSubmatch(text); {
	case match != nil:
		number, _ := strconv.Atoi(match[1]) // it is digits
		p.fault(at.line, at.path, "%q counts days, and the largest unit is the hour: write %dh", text, 24*number)
	case err != nil:
		p.fault(at.line, at.path, "%q is no duration: want hours, minutes or seconds, such as 720h for thirty days", shortened(text))
	case duration < 0:
		p.fault(at.line, at.path, "%q is negative: write how long a deleted row stays, such as 720h, or 0 for ever", text)
	}
	return duration
}

// nearest returns the name that a mistyped text probably means; empty when it resembles none.
func nearest(text string, names []string) string {
	best, least := "", 3
	for _, name := range names {
		if plain(text) == plain(name) {
			return name
		}
		if d := distance(plain(text), plain(name)); d < least && d*3 <= len(name) {
			best, least = name, d
		}
	}
	return best
}

// plain removes what differs between the habits of naming.
func plain(name string) string {
	return strings.ToLower(strings.NewReplacer("_", "", "-", "", " ", "").Replace(name))
}

// distance is how many letters must be added, removed, replaced or swapped with their neighbour (the optimal string
// alignment). It is a large number for texts whose lengths differ much.
func distance(a, b string) int {
	if len(a) > len(b)+3 || len(b) > len(a)+3 {
		return len(a) + len(b)
	}
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			replaced := rows[i-1][j-1]
			if a[i-1] != b[j-1] {
				replaced++
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, replaced)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}
