package prose

import (
	"flag"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	root    = flag.String("root", "../..", "the checkout to measure")
	folders = flag.Bool("folders", false, "print a row for each folder")
)

// pattern is a way of writing that is counted.
type pattern struct {
	name  string
	match *regexp.Regexp
	// limit is the highest rate per thousand lines.
	limit float64
}

// patterns are the five of the glossary, each with the upper end of the other projects' range.
var patterns = [...]pattern{
	{"say/tell/word", anyCase(`(say|says|said|saying|tell|tells|told|telling|words?)`), 3.5},
	{"is no X", anyCase(`(is|are|was|were|be|been|being)\s+no\s+[a-z-]+`), 8},
	{"whoever/whatever", anyCase(`(whoever|whatever|whomever|whichever|whosoever|those\s+(who|whose))`), 7},
	{"whom/of which", anyCase(`(whom|of\s+which)`), 0.4},
	{"anew/by now", anyCase(`(anew|by\s+now)`), 0},
}

// comparison is what "is no X" matches although it is plain English.
var comparison = anyCase(`no\s+(longer|more|less|fewer|later|earlier|sooner|better|worse|bigger|larger|smaller)$`)

func anyCase(expression string) *regexp.Regexp {
	return regexp.MustCompile(`(?i)\b` + expression + `\b`)
}

// find returns the places of a pattern in a text as byte offsets.
func (p pattern) find(text string) []int {
	var places []int
	for _, match := range p.match.FindAllStringIndex(text, -1) {
		if !comparison.MatchString(text[match[0]:match[1]]) {
			places = append(places, match[0])
		}
	}
	return places
}

// TestProse_IsWithinTheRangeOfOtherProjects covers each kind of text as a whole: comments of Go, of Go tests and of scripts,
// and pages.
func TestProse_IsWithinTheRangeOfOtherProjects(t *testing.T) {
	counts := map[string]*count{}
	for _, file := range files(t, *root) {
		add(counts, file.kind, file)
		if *folders {
			add(counts, file.kind+" "+file.folder(), file)
		}
	}
	t.Logf("per thousand lines\n%s", table(counts))
	for _, kind := range kinds() {
		if counts[kind] == nil {
			t.Errorf("%s: found no text", kind)
			continue
		}
		for i, p := range patterns {
			if rate := counts[kind].rate(i); rate > p.limit {
				t.Errorf("%s, %s: %.1f per thousand lines, at most %.1f:\n%s", kind, p.name, rate, p.limit, counts[kind].worst(i))
			}
		}
	}
}

// count is how often each pattern occurs in some files.
type count struct {
	lines   int
	matches [len(patterns)]int
	files   []measured
}

// measured is one file with the lines that match, by pattern.
type measured struct {
	path    string
	matches [len(patterns)][]string
}

func add(counts map[string]*count, name string, f file) {
	if counts[name] == nil {
		counts[name] = &count{}
	}
	counts[name].add(f)
}

func (c *count) add(f file) {
	m := measured{path: f.path}
	for _, block := range f.blocks {
		c.lines += block.lines()
		text := block.masked()
		for i, p := range patterns {
			for _, place := range p.find(text) {
				c.matches[i]++
				m.matches[i] = append(m.matches[i], block.at(f.path, place))
			}
		}
	}
	c.files = append(c.files, m)
}

func (c *count) rate(pattern int) float64 {
	return 1000 * float64(c.matches[pattern]) / float64(max(c.lines, 1))
}

// worst lists the ten files with the most matches, with the first matches of each.
func (c *count) worst(pattern int) string {
	sorted := slices.Clone(c.files)
	slices.SortStableFunc(sorted, func(a, b measured) int { return len(b.matches[pattern]) - len(a.matches[pattern]) })
	var list strings.Builder
	for _, m := range sorted[:min(10, len(sorted))] {
		found := m.matches[pattern]
		if len(found) == 0 {
			break
		}
		fmt.Fprintf(&list, "%4d  %s\n", len(found), m.path)
		for _, line := range found[:min(3, len(found))] {
			fmt.Fprintf(&list, "      %s\n", line)
		}
	}
	return list.String()
}

// table has a row for each count: the number of lines, then for each pattern the number of matches and the rate.
func table(counts map[string]*count) string {
	var rows strings.Builder
	fmt.Fprintf(&rows, "%-44s %6s", "", "lines")
	for _, p := range patterns {
		fmt.Fprintf(&rows, "  %16s", p.name)
	}
	for _, name := range sortedKeys(counts) {
		c := counts[name]
		fmt.Fprintf(&rows, "\n%-44s %6d", name, c.lines)
		for i := range patterns {
			fmt.Fprintf(&rows, "  %8d  %6.1f", c.matches[i], c.rate(i))
		}
	}
	fmt.Fprintf(&rows, "\n%-51s", "at most")
	for _, p := range patterns {
		fmt.Fprintf(&rows, "  %16.1f", p.limit)
	}
	return rows.String() + "\n"
}

func sortedKeys(counts map[string]*count) []string {
	var names []string
	for name := range counts {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
