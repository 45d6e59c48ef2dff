package importer

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// maxKeys is how many keys the text names for each reason. The JSON has all.
const maxKeys = 20

// Text writes the report for people.
func (r Report) Text(out io.Writer) error {
	var text strings.Builder
	title := "PREVIEW: nothing is written without --yes"
	if r.Acted {
		title = "IMPORTED"
		if r.NotReached > 0 {
			title = "IMPORTED IN PART"
		}
	}
	text.WriteString(title + "\n")
	r.writeCounts(&text)
	writeGroup(&text, "CANNOT GO", r.Reasons, Reason.nextStep, r.keysByReason())
	writeGroup(&text, "GO WITHOUT", r.Notes, Note.nextStep, r.keysByNote())
	if len(r.Roles) > 0 && r.Markers {
		text.WriteString("\nROLES: the operator revokes a role that it granted and that no manifest and no RoleRule desires. Apply manifests first " +
			"(--manifests DIR), or import with --no-markers.\n")
	}
	r.writeTables(&text)
	if r.LimitReached {
		text.WriteString("\nLIMIT reached: start the import again without --limit for the rest\n")
	}
	if r.Stopped != "" {
		text.WriteString("\nSTOPPED: " + r.Stopped + "\nStart the import again: it goes on where it stopped.\n")
	}
	_, err := io.WriteString(out, text.String())
	return err
}

func (r Report) writeCounts(text *strings.Builder) {
	count := func(n int, label string) { fmt.Fprintf(text, "  %7d  %s\n", n, label) }
	would := "would be "
	if r.Acted {
		would = ""
	}
	count(r.Rows, "rows in the table")
	count(r.WithClerkID, "have a Clerk id already")
	count(r.Existing, "have a Clerk user already, by external_id")
	count(r.Created, would+"created in Clerk")
	for _, hasher := range slices.Sorted(maps.Keys(r.Passwords)) {
		if hasher == "" {
			count(r.Passwords[hasher], "  without a password")
			continue
		}
		count(r.Passwords[hasher], "  with a password hashed by "+hasher)
	}
	for _, role := range slices.Sorted(maps.Keys(r.Roles)) {
		count(r.Roles[role], "  with the role "+string(role))
	}
	count(r.Rekeyed, "rows "+would+"given the Clerk id as their key")
	total := 0
	for _, n := range r.Reasons {
		total += n
	}
	count(total, "cannot go")
	if r.NotReached > 0 {
		count(r.NotReached, "not reached yet")
	}
}

// writeGroup writes counts with what to do and with the first keys.
func writeGroup[K ~string](text *strings.Builder, title string, counts map[K]int, nextStep func(K) string, keys map[K][]string) {
	if len(counts) == 0 {
		return
	}
	text.WriteString("\n" + title + "\n")
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		fmt.Fprintf(text, "  %7d  %s: %s\n", counts[name], name, nextStep(name))
		named := keys[name][:min(len(keys[name]), maxKeys)]
		line := strings.Join(named, ", ")
		if more := len(keys[name]) - len(named); more > 0 {
			line += fmt.Sprintf(", and %d more (-o json has all)", more)
		}
		text.WriteString("           " + line + "\n")
	}
}

func (r Report) keysByReason() map[Reason][]string {
	keys := map[Reason][]string{}
	for _, row := range r.Refused {
		key := row.Key
		if row.ClerkUserID != "" {
			key += " (" + string(row.ClerkUserID) + ")"
		}
		if row.Code != "" {
			key += " (" + row.Code + ")"
		}
		keys[row.Reason] = append(keys[row.Reason], key)
	}
	return keys
}

func (r Report) keysByNote() map[Note][]string {
	keys := map[Note][]string{}
	for _, row := range r.Noted {
		keys[row.Note] = append(keys[row.Note], row.Key)
	}
	return keys
}

func (r Report) writeTables(text *strings.Builder) {
	if len(r.Keeping) > 0 {
		text.WriteString("\nTHE KEYS CANNOT CHANGE, and so nothing can be imported: these tables refer to the key without ON UPDATE CASCADE\n  " +
			strings.Join(r.Keeping, ", ") + "\n  Change their foreign keys, or use a key column beside the primary key (key: in the mapping file).\n")
	}
	if len(r.Following) > 0 {
		text.WriteString("\nTHE KEYS CHANGE: these tables follow by their foreign keys\n  " + strings.Join(r.Following, ", ") +
			"\n  A column that holds the key without a foreign key does not follow.\n")
	}
}
