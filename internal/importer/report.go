package importer

import (
	"crypto/sha256"
	"fmt"
	"strings"

	"github.com/fitai/fituser-operator/internal/user"
)

// Report is the result of an import, or of its preview. It contains keys of rows and ids of Clerk's, but no address, name or
// hash.
type Report struct {
	// Acted is false for a preview.
	Acted bool `json:"acted"`
	// Rows counts all rows, WithClerkID those of them that have a Clerk id as their key.
	Rows        int `json:"rows"`
	WithClerkID int `json:"withClerkID"`
	// Created counts the users that are created, and Existing those of earlier imports.
	Created  int `json:"created"`
	Existing int `json:"existing"`
	// Rekeyed counts the rows that get a Clerk id as their key.
	Rekeyed int `json:"rekeyed"`
	// Passwords counts the created users by the kind of their hashed password; the kind is empty for none.
	Passwords map[string]int `json:"passwords"`
	// Roles counts the created users who have another role than the default one.
	Roles map[user.Role]int `json:"roles"`
	// Reasons counts the rows that cannot go, Notes what does not go along with rows that go.
	Reasons map[Reason]int `json:"reasons"`
	Notes   map[Note]int   `json:"notes"`
	// Refused are the rows that cannot go, Noted the rows with notes.
	Refused []RefusedRow `json:"refused"`
	Noted   []NotedRow   `json:"noted"`
	// Following are the tables whose foreign keys follow when a row gets another key. Keeping are those that do not: no row can
	// get another key then.
	Following []string `json:"following"`
	Keeping   []string `json:"keeping"`
	// Markers is true when roles go along with the operator's marker.
	Markers bool `json:"markers"`
	// NotReached counts the rows without a Clerk id that an import left for later, because of --limit or because it stopped.
	NotReached int `json:"notReached"`
	// LimitReached is true when there are more rows than --limit allows.
	LimitReached bool `json:"limitReached"`
	// Stopped is why an import ended early; empty for one that is complete.
	Stopped string `json:"stopped,omitempty"`
}

// RefusedRow is a row that cannot go.
type RefusedRow struct {
	// Key is the row's own key.
	Key    string `json:"key"`
	Reason Reason `json:"reason"`
	// ClerkUserID is the row's user, or the one who is in the way.
	ClerkUserID user.ID `json:"clerkUserID,omitempty"`
	// Code is Clerk's error code.
	Code string `json:"code,omitempty"`
}

// NotedRow is a row that goes without something.
type NotedRow struct {
	Key  string `json:"key"`
	Note Note   `json:"note"`
}

func newReport(config Config) Report {
	return Report{
		Acted: config.Act, Markers: config.Markers, Passwords: map[string]int{}, Roles: map[user.Role]int{}, Reasons: map[Reason]int{}, Notes: map[Note]int{},
		Refused: []RefusedRow{}, Noted: []NotedRow{}, Following: []string{}, Keeping: []string{},
	}
}

// add adds a row that the import is done with.
func (r *Report) add(result *result) {
	key := shown(externalID(&result.row))
	if result.existed {
		r.Existing++
	}
	if result.rekeyed {
		r.Rekeyed++
	}
	if result.reason != "" {
		r.Reasons[result.reason]++
		r.Refused = append(r.Refused, RefusedRow{Key: key, Reason: result.reason, ClerkUserID: result.clerkID, Code: result.code})
	}
	if !result.created {
		return
	}
	r.Created++
	r.Passwords[result.user.Hasher]++
	if result.user.Role != "" {
		r.Roles[result.user.Role]++
	}
	for _, note := range result.notes {
		r.Notes[note]++
		r.Noted = append(r.Noted, NotedRow{Key: key, Note: note})
	}
}

// shown returns a key for people. A table may have addresses for keys, which do not belong into a report.
func shown(key string) string {
	if !strings.Contains(key, "@") {
		return key
	}
	return fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(key)))
}
