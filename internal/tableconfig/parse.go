// Package tableconfig reads and writes the mapping file (--table-config): which table holds the users, and which columns
// hold what. It checks the file as a whole and reports every fault with its line. It knows no database: internal/store
// compares a mapping with the table.
//
// Read parse.go first: [Parse], and the errors. sections.go reads the sections of the file, node.go single values, and
// check.go compares them with each other. marshal.go writes a mapping as YAML.
package tableconfig

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/fitai/fituser-operator/internal/user"
)

// MaxSize bounds a mapping file in bytes.
const MaxSize = 64 << 10

// Error lists all faults of a mapping file in the order of its lines.
type Error struct{ Faults []Fault }

// maxLines is how many faults the text of an error has. A file of a wrong kind has thousands.
const maxLines = 100

// Error implements error.
func (e *Error) Error() string {
	var lines []string
	for _, f := range e.Faults[:min(maxLines, len(e.Faults))] {
		lines = append(lines, f.String())
	}
	if more := len(e.Faults) - maxLines; more > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(lines, "\n")
}

// Fault is one fault, with the next step in its text.
type Fault struct {
	// Line is 0 for a fault of the whole file.
	Line int
	// Path is the key, such as columns.phone; empty for a fault of no key.
	Path, Text string
}

// String returns the fault as one line.
func (f Fault) String() string {
	text := f.Text
	if f.Path != "" {
		text = f.Path + ": " + text
	}
	if f.Line == 0 {
		return text
	}
	return fmt.Sprintf("line %d: %s", f.Line, text)
}

// Parse reads a mapping file. An empty one is the default mapping. The error is an [*Error].
func Parse(data []byte, roles user.Roles) (*user.Mapping, error) {
	p := &parser{roles: roles, mapping: user.DefaultMapping()}
	p.columns = defaultColumns(p.mapping)
	root, fault := document(data)
	if fault != nil {
		return nil, &Error{Faults: []Fault{*fault}}
	}
	if root != nil {
		p.file(root)
	}
	p.check()
	if len(p.faults) > 0 {
		slices.SortStableFunc(p.faults, func(a, b Fault) int { return cmp.Compare(a.Line, b.Line) })
		return nil, &Error{Faults: p.faults}
	}
	return p.finished(), nil
}

// document returns the root of the one document; nil for an empty file.
func document(data []byte) (*yaml.Node, *Fault) {
	if fault := unreadable(data); fault != nil {
		return nil, fault
	}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var first, second yaml.Node
	if err := decoder.Decode(&first); errors.Is(err, io.EOF) {
		return nil, nil //nolint:nilnil // an empty file has no root, and that is no fault
	} else if err != nil {
		return nil, syntaxFault(err)
	}
	switch err := decoder.Decode(&second); {
	case err == nil:
		return nil, &Fault{Line: second.Line, Text: "a second document begins: the file has one; remove this one and the line --- before it"}
	case !errors.Is(err, io.EOF):
		return nil, syntaxFault(err)
	}
	if len(first.Content) == 0 || first.Content[0].Tag == nullTag {
		return nil, nil //nolint:nilnil // as above
	}
	return first.Content[0], nil
}

// unreadable returns the fault of a file that is no text. The parser's own messages for it have no line.
func unreadable(data []byte) *Fault {
	if len(data) > MaxSize {
		return &Fault{Text: fmt.Sprintf("the file has more than %d bytes, the most that it may have: "+
			"name only the columns that the operator keeps", MaxSize)}
	}
	for at := 0; at < len(data); {
		r, size := utf8.DecodeRune(data[at:])
		if r == utf8.RuneError && size == 1 || unicode.IsControl(r) && !strings.ContainsRune("\t\n\r", r) {
			return &Fault{
				Line: 1 + bytes.Count(data[:at], []byte("\n")),
				Text: "a character that is no UTF-8 text: save the file as UTF-8, without control characters",
			}
		}
		at += size
	}
	return nil
}

var syntaxError = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)

// syntaxFault returns the fault of a file that is no YAML. The library's line may be one too low, and is absent for the first.
func syntaxFault(err error) *Fault {
	fault := &Fault{Line: 1, Text: err.Error()}
	if match := syntaxError.FindStringSubmatch(fault.Text); match != nil {
		fault.Text = fault.Text[len(match[0]):]
		if line, err := strconv.Atoi(match[1]); err == nil {
			fault.Line = line
		}
	}
	fault.Text = "the file is not YAML: " + fault.Text + ": check indentation, colons and quotation marks here and on the lines beside"
	return fault
}
