package prose

import (
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"strings"
	"testing"
)

// goComments returns the comments of Go source, a block for each group. It returns none for generated source.
func goComments(t *testing.T, source string) []block {
	t.Helper()
	positions := token.NewFileSet()
	parsed, err := parser.ParseFile(positions, "", source, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	if ast.IsGenerated(parsed) {
		return nil
	}
	var blocks []block
	for _, group := range parsed.Comments {
		b := block{first: positions.Position(group.Pos()).Line}
		for _, comment := range group.List {
			b.text = append(b.text, commentText(comment.Text)...)
		}
		blocks = append(blocks, b)
	}
	return blocks
}

// noProse matches indented code, markers such as +kubebuilder and directives such as go:build.
var noProse = regexp.MustCompile(`^(\t|    | ?\+[a-z]|[a-z]+:\S)`)

// commentText strips the comment's marks. Directives and indented code become empty lines. The explanation of a nolint
// directive stays.
func commentText(comment string) []string {
	if inner, found := strings.CutPrefix(comment, "/*"); found {
		return strings.Split(strings.TrimSuffix(inner, "*/"), "\n")
	}
	text := strings.TrimPrefix(comment, "//")
	if _, explanation, found := strings.Cut(text, " // "); found && strings.HasPrefix(text, "nolint") {
		return []string{explanation}
	}
	if noProse.MatchString(text) {
		return []string{""}
	}
	return []string{strings.TrimPrefix(text, " ")}
}

// hashComments returns the comments of a shell script or a Makefile, and a target's help.
func hashComments(source string) []block {
	comment := regexp.MustCompile(`(?:^|\s)##?\s+(.*)$`)
	lines := strings.Split(source, "\n")
	for i, line := range lines {
		lines[i] = ""
		if match := comment.FindStringSubmatch(line); match != nil {
			lines[i] = match[1]
		}
	}
	return blocksOf(lines)
}

// markdown returns the prose of a page: all lines outside of code blocks.
func markdown(source string) []block {
	fenced, ruler := false, regexp.MustCompile(`^\|[-:| ]+$`)
	lines := strings.Split(source, "\n")
	for i, line := range lines {
		fence := strings.HasPrefix(strings.TrimSpace(line), "```")
		if fence {
			fenced = !fenced
		}
		if fence || fenced || ruler.MatchString(line) {
			lines[i] = ""
		}
	}
	return blocksOf(lines)
}
