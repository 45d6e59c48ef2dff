package controllers

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/fitai/fituser-operator/internal/user"
)

func TestWhatAPeriodAllows(t *testing.T) {
	for name, c := range map[string]struct {
		period period
		open   bool
		left   int
	}{
		"new":                      {period{limit: 10}, false, 10},
		"with grants":              {period{limit: 10, noted: 3, used: 1}, true, 9},
		"grants used":              {period{limit: 10, noted: 3, used: 3}, false, 7},
		"limit reached":            {period{limit: 10, noted: 10, used: 10}, false, 0},
		"no limit given":           {period{}, false, 0},
		"limit lowered by restart": {period{limit: 10, noted: 50, used: 50}, false, 0},
		"lifted":                   {period{limit: 10, noted: 10, used: 10}.lift(), true, math.MaxInt},
		"lifted with a limit of 0": {period{}.lift(), true, math.MaxInt},
		"lifted and used beyond":   {period{limit: 1, noted: 1, used: 500, lifted: true}.use(), true, math.MaxInt},
	} {
		if open, left := c.period.open(), c.period.left(); open != c.open || left != c.left {
			t.Errorf("%s: open %v with %d left, want %v with %d", name, open, left, c.open, c.left)
		}
	}
}

func TestGrantsAreNotedSomeAtATime(t *testing.T) {
	for limit, want := range map[int]struct{ first, writes int }{
		0:    {0, 0},
		1:    {1, 1},
		10:   {1, 10},
		55:   {5, 11},
		200:  {20, 10},
		5000: {maxGrants, 250},
	} {
		p := period{limit: limit}
		first, writes := p.more().noted, 0
		for p != p.more() {
			p = p.more()
			writes++
		}
		if first != want.first || writes != want.writes || p.noted != limit {
			t.Errorf("a limit of %d: %d first, %d in %d writes", limit, first, p.noted, writes)
		}
	}
	if beyond := (period{limit: 5, noted: 50, used: 50}); beyond.more() != beyond {
		t.Errorf("grants that are noted are gone: %+v", beyond.more())
	}
}

func TestWhenAPeriodIsOver(t *testing.T) {
	p := period{start: time.Unix(1000, 0)}
	for at, want := range map[int64]bool{1000: false, 1059: false, 1060: true, 9999: true} {
		if got := p.over(time.Unix(at, 0), time.Minute); got != want {
			t.Errorf("at %d: %v", at, got)
		}
	}
	if !(period{}).over(time.Unix(0, 0), time.Hour) {
		t.Error("a period that never began goes on")
	}
	for ahead, want := range map[time.Duration]bool{time.Second: false, time.Minute: false, 61 * time.Second: true, 24 * time.Hour: true} {
		if got := p.over(p.start.Add(-ahead), time.Minute); got != want {
			t.Errorf("noted to begin in %s: over %v", ahead, got)
		}
	}
}

// What is noted is all that a later process knows: it reads what was written, with every grant used.
func TestANotedPeriodIsReadAgain(t *testing.T) {
	start := time.Date(2026, 11, 23, 3, 29, 35, 0, time.UTC)
	for name, p := range map[string]period{
		"new":       {start: start},
		"granted":   {start: start, noted: 7, used: 7},
		"held back": {start: start, noted: 2, used: 2, names: "2: user_a user_b"},
		"lifted":    period{start: start, noted: 2, used: 2, names: "2: user_a user_b"}.lift(),
	} {
		notes := notesWith(map[string]string{InstanceKey: "ins_1", DeletionsHeldKey: "9: user_old", DeletionsAllowedKey: "old"})
		notes.Annotations = map[string]string{AnnotationAllowDeletions: "true"}
		p.write(notes)
		if got := notedPeriod(notes); got != p {
			t.Errorf("%s: wrote %+v, read %+v", name, p, got)
		}
		if notes.Data[InstanceKey] != "ins_1" {
			t.Errorf("%s: what others note is gone", name)
		}
	}
}

// Whatever a person makes of the ConfigMap, it lifts no limit and grants no more.
func TestWhatIsNoPeriodIsRead(t *testing.T) {
	start := "2026-11-23T03:29:35Z"
	for name, c := range map[string]struct {
		data map[string]string
		used int
	}{
		"nothing":               {map[string]string{}, 0},
		"no time":               {map[string]string{DeletionsPeriodKey: "yesterday", DeletionsGrantedKey: "5"}, 0},
		"no number":             {map[string]string{DeletionsPeriodKey: start, DeletionsGrantedKey: "five"}, 0},
		"less than none":        {map[string]string{DeletionsPeriodKey: start, DeletionsGrantedKey: "-5"}, 0},
		"another period's word": {map[string]string{DeletionsPeriodKey: start, DeletionsGrantedKey: "5", DeletionsAllowedKey: "2025-11-23T03:29:35Z"}, 5},
		"no period, no word":    {map[string]string{DeletionsAllowedKey: ""}, 0},
	} {
		notes := notesWith(c.data)
		notes.Annotations = map[string]string{AnnotationAllowDeletions: "true"}
		if p := notedPeriod(notes); p.lifted || p.used != c.used || p.noted != c.used {
			t.Errorf("%s: %+v", name, p)
		}
	}
}

func TestWhatEndsWithAPeriod(t *testing.T) {
	for name, c := range map[string]struct {
		period period
		word   bool
		data   map[string]string
		news   bool
		stays  bool // the word
	}{
		"idle":               {period{}, false, map[string]string{DeletionsPeriodKey: "x", DeletionsGrantedKey: "5"}, false, false},
		"somebody was held":  {period{}, false, map[string]string{DeletionsHeldKey: "1: user_a"}, true, false},
		"a spent word":       {period{lifted: true}, true, map[string]string{DeletionsAllowedKey: "x"}, true, false},
		"a word and no note": {period{lifted: true}, true, nil, true, false},
		"a word taken back":  {period{}, false, map[string]string{DeletionsAllowedKey: "x"}, true, false},
		"a word to come":     {period{}, true, nil, false, true},
	} {
		notes := notesWith(c.data)
		if c.word {
			notes.Annotations = map[string]string{AnnotationAllowDeletions: "true"}
		}
		if news := c.period.end(notes); news != c.news || saysAllow(notes) != c.stays {
			t.Errorf("%s: worth a write %v, the word stays %v", name, news, saysAllow(notes))
		}
		if notes.Data[DeletionsHeldKey]+notes.Data[DeletionsAllowedKey] != "" {
			t.Errorf("%s: %v is left", name, notes.Data)
		}
	}
}

func TestHowThoseHeldBackAreNamed(t *testing.T) {
	many := map[user.ID]bool{}
	for i := range maxNamed + 1 {
		many[flooded(i)] = true
	}
	all := describeHeld(many)
	if want := fmt.Sprintf("%d: user_0000 user_0001 ", maxNamed+1); !strings.HasPrefix(all, want) {
		t.Errorf("they are named %s", all)
	}
	if !strings.HasSuffix(all, " …") || len(namedHeld(all)) != maxNamed {
		t.Errorf("%d are named: %s", len(namedHeld(all)), all)
	}
	held := map[user.ID]bool{"user_b": true, "user_a": true}
	if got := describeHeld(held, "user_c", "user_a"); got != "3: user_a user_b user_c" {
		t.Errorf("they are named %s", got)
	}
	if diff := cmp.Diff(held, namedHeld(describeHeld(held))); diff != "" {
		t.Errorf("named and read again (-named +read):\n%s", diff)
	}
	if got := describeHeld(nil); got != "" || len(namedHeld(got)) != 0 {
		t.Errorf("nobody is named %s", got)
	}
	for _, garbage := range []string{"3", "user_a", ":", "2: ../x user_a/b", "many: …"} {
		if got := namedHeld(garbage); len(got) != 0 {
			t.Errorf("%q names %v", garbage, got)
		}
	}
}

func notesWith(data map[string]string) *corev1.ConfigMap {
	notes := &corev1.ConfigMap{Data: map[string]string{}}
	for key, value := range data {
		notes.Data[key] = value
	}
	return notes
}
