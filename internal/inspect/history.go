package inspect

import (
	"cmp"
	"context"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/user"
)

// History are the last changes of a user's role, as the statuses of the user's FitUsers record them.
type History struct {
	// User is empty for a manifest whose address nobody holds.
	User    user.ID        `json:"user"`
	Changes []HistoryEntry `json:"changes"`
}

// HistoryEntry is one change of the role in force.
type HistoryEntry struct {
	Time time.Time `json:"time"`
	From string    `json:"from,omitempty"`
	To   string    `json:"to"`
	// Source is where the new role comes from, Manifest the FitUser or the RoleRule.
	Source   string `json:"source"`
	Manifest string `json:"manifest,omitempty"`
	// Manager is the field manager that wrote the manifest's role, Revision the manifest's revision in Git.
	Manager  string `json:"manager,omitempty"`
	Revision string `json:"revision,omitempty"`
	// FitUser is the one that records the change.
	FitUser string `json:"fitUser"`
}

// History returns how a user's role changed, the newest change first. name is a Clerk id, a FitUser's name, or an e-mail
// address. It reads the FitUsers, and Clerk only for an address that none of them contains.
func (i *Inspector) History(ctx context.Context, name string) (History, error) {
	found, err := i.find(ctx, name)
	if err != nil {
		return History{}, err
	}
	h := History{User: found.id, Changes: []HistoryEntry{}}
	if found.id == "" {
		for _, u := range found.unbound {
			h.add(u)
		}
	} else {
		err = i.eachFitUser(ctx, func(u *v1alpha1.FitUser) {
			if u.UserID() == string(found.id) || u.Status.PreviousClerkUserID == string(found.id) {
				h.add(u)
			}
		})
	}
	slices.SortStableFunc(h.Changes, func(a, b HistoryEntry) int {
		return cmp.Or(b.Time.Compare(a.Time), strings.Compare(a.FitUser, b.FitUser))
	})
	return h, err
}

func (h *History) add(u *v1alpha1.FitUser) {
	for _, e := range u.Status.RoleHistory {
		h.Changes = append(h.Changes, HistoryEntry{
			Time: e.Time.UTC(), From: string(e.From), To: string(e.To), Source: string(e.Source),
			Manifest: e.Manifest, Manager: e.Manager, Revision: e.Revision, FitUser: u.Name,
		})
	}
}

// Text prints the history.
func (h History) Text(out io.Writer) error {
	t := newTable(out)
	if len(h.Changes) == 0 {
		t.line("No change of the role is recorded.")
		return t.flush()
	}
	t.row("TIME", "FROM", "TO", "SOURCE", "MANIFEST", "MANAGER", "REVISION", "FITUSER")
	for _, c := range h.Changes {
		cells := []string{timeText(c.Time), c.From, c.To, c.Source, c.Manifest, c.Manager, c.Revision, c.FitUser}
		for n := range cells {
			cells[n] = cmp.Or(cells[n], "-")
		}
		t.row(cells...)
	}
	return t.flush()
}
