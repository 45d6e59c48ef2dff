package prose

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const (
	goCode  = "Go"
	goTests = "Go tests"
	scripts = "scripts"
	pages   = "pages"
)

func kinds() []string { return []string{goCode, goTests, pages, scripts} }

// file is the text of one file.
type file struct {
	kind, path string
	blocks     []block
}

func (f file) folder() string { return filepath.Dir(f.path) }

// block is consecutive text, such as a comment group. Sentences run over its lines.
type block struct {
	// first is the number of its first line.
	first int
	text  []string
}

// lines counts the lines with text.
func (b block) lines() int {
	count := 0
	for _, line := range b.text {
		if strings.TrimSpace(line) != "" {
			count++
		}
	}
	return count
}

// quoted matches code, quotations and the targets of links.
var quoted = regexp.MustCompile("`[^`]*`" + `|"[^"]*"|“[^”]*”|\]\([^)]*\)|https?://\S+`)

// masked replaces what is quoted by underscores, because it is not the author's own prose. Offsets and lines stay.
func (b block) masked() string {
	return quoted.ReplaceAllStringFunc(strings.Join(b.text, "\n"), func(found string) string {
		masked := []byte(found)
		for i, char := range masked {
			if char != '\n' {
				masked[i] = '_'
			}
		}
		return string(masked)
	})
}

// at shows the line of an offset.
func (b block) at(path string, offset int) string {
	line := strings.Count(strings.Join(b.text, "\n")[:offset], "\n")
	return fmt.Sprintf("%s:%d: %s", path, b.first+line, strings.TrimSpace(b.text[line]))
}

// blocksOf joins consecutive lines of text. An empty string is a line without text.
func blocksOf(lines []string) []block {
	var blocks []block
	for i, line := range lines {
		switch {
		case line == "":
		case i > 0 && lines[i-1] != "":
			last := &blocks[len(blocks)-1]
			last.text = append(last.text, line)
		default:
			blocks = append(blocks, block{first: i + 1, text: []string{line}})
		}
	}
	return blocks
}

// files reads all text that people wrote. Generated files and test data are left out.
func files(t *testing.T, root string) []file {
	t.Helper()
	var found []file
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := entry.Name()
		if entry.IsDir() {
			if strings.HasPrefix(name, ".") && name != ".ci" && path != root || slices.Contains([]string{"bin", "testdata"}, name) {
				return filepath.SkipDir
			}
			return nil
		}
		relative, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		if read := reader(relative); read != nil {
			content, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			f := read(t, string(content))
			f.path = relative
			found = append(found, f)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// reader returns what reads a file of this name, or nil for a file without text that is measured.
func reader(path string) func(*testing.T, string) file {
	name := filepath.Base(path)
	switch {
	case strings.HasSuffix(name, "_test.go"):
		return func(t *testing.T, source string) file { return file{kind: goTests, blocks: goComments(t, source)} }
	case strings.HasSuffix(name, ".go"):
		return func(t *testing.T, source string) file { return file{kind: goCode, blocks: goComments(t, source)} }
	case name == "Makefile", strings.HasSuffix(name, ".sh"), strings.HasPrefix(path, ".ci/"):
		return func(_ *testing.T, source string) file { return file{kind: scripts, blocks: hashComments(source)} }
	case name == "reference.md": // generated from the comments of api
		return nil
	case strings.HasSuffix(name, ".md"):
		return func(_ *testing.T, source string) file { return file{kind: pages, blocks: markdown(source)} }
	}
	return nil
}
