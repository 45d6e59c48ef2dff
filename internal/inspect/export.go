package inspect

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/clerk"
	"github.com/fitai/fituser-operator/internal/fitusers"
	"github.com/fitai/fituser-operator/internal/user"
)

// Export are manifests of the users who hold another role than the default one in Clerk, by name.
type Export struct {
	Manifests []Manifest
	// ByRule and Expired count users without a manifest: a RoleRule gives their role, or the grant has expired.
	ByRule, Expired int
}

// Manifest is a FitUser as a person writes it.
type Manifest struct {
	APIVersion string               `json:"apiVersion"`
	Kind       string               `json:"kind"`
	Metadata   ManifestMetadata     `json:"metadata"`
	Spec       v1alpha1.FitUserSpec `json:"spec"`

	id user.ID
}

// ManifestMetadata is the metadata of a [Manifest].
type ManifestMetadata struct {
	Name string `json:"name"`
}

// ExportRoles reads all users from Clerk, and returns the manifests that give them the roles that they hold.
func ExportRoles(ctx context.Context, api clerk.Client, roles user.Roles, now time.Time) (Export, error) {
	var e Export
	expected, err := api.Count(ctx)
	if err != nil {
		return e, err
	}
	listed := 0
	for after := user.ID(""); ; {
		page, err := api.List(ctx, after)
		if err != nil {
			return e, err
		}
		for n := range page.Users {
			e.add(&page.Users[n], roles, now)
		}
		listed, after = listed+page.Entries, page.Last
		if page.Entries < clerk.PageSize {
			break
		}
	}
	if listed < expected {
		return e, fmt.Errorf("the list of Clerk's users has %d of %d: manifests would be missing, try again", listed, expected)
	}
	e.complete()
	return e, nil
}

// ExportUsers returns the manifests that give these users the roles that they hold.
func ExportUsers(users []user.User, roles user.Roles, now time.Time) Export {
	var e Export
	for n := range users {
		e.add(&users[n], roles, now)
	}
	e.complete()
	return e
}

func (e *Export) complete() {
	e.disambiguate()
	slices.SortFunc(e.Manifests, func(a, b Manifest) int { return strings.Compare(a.Metadata.Name, b.Metadata.Name) })
}

// add adds the manifest of a user who holds a role.
func (e *Export) add(account *user.User, roles user.Roles, now time.Time) {
	role, known := roles.Parse(account.Role)
	granted := account.HasMarker && account.Marker.Role == account.Role
	until := account.Marker.Until
	switch {
	case !known || role == roles.Default():
		return
	case granted && account.Marker.Rule != "":
		e.ByRule++
		return
	case granted && !until.IsZero() && !now.Before(until):
		e.Expired++
		return
	}
	m := newManifest(account)
	m.Spec.Role = v1alpha1.Role(role)
	if granted && !until.IsZero() {
		m.Spec.RoleExpiresAt = &metav1.Time{Time: until.UTC()}
	}
	e.Manifests = append(e.Manifests, m)
}

// newManifest returns a manifest that names a user by address where it can: the same manifest then serves every
// environment.
func newManifest(account *user.User) Manifest {
	m := Manifest{APIVersion: v1alpha1.GroupVersion.String(), Kind: "FitUser", id: account.ID}
	address := exportedAddress(account)
	m.Metadata.Name = nameOfAddress(address)
	if m.Metadata.Name == "" {
		m.Metadata.Name, m.Spec.ClerkUserID = fitusers.NameFor(string(account.ID), 0), string(account.ID)
		return m
	}
	m.Spec.Email = address
	return m
}

// manifestAddress is the form of spec.email.
var manifestAddress = regexp.MustCompile(`^[^@\s]+@[^@\s]+$`)

// exportedAddress returns an address that the user holds, the primary one if possible; empty when there is none that a
// manifest can name.
func exportedAddress(account *user.User) string {
	primary := user.NormalizeEmail(account.Email)
	held := slices.DeleteFunc(slices.Clone(account.VerifiedEmails), func(address string) bool {
		return !account.Holds(address) || len(address) > 320 || !manifestAddress.MatchString(address)
	})
	switch {
	case slices.Contains(held, primary):
		return primary
	case len(held) > 0:
		return slices.Min(held)
	default:
		return ""
	}
}

// maxName leaves room for a suffix in a file's name.
const maxName = 200

// nameOfAddress returns the address as an object's name; empty when no letter and digit is left of it.
func nameOfAddress(address string) string {
	words := strings.FieldsFunc(address, func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') })
	name := strings.Join(words, "-")
	return strings.TrimRight(name[:min(len(name), maxName)], "-")
}

// disambiguate gives manifests whose addresses lead to one name a suffix. It depends only on the user, so that a name does
// not change with the other users.
func (e *Export) disambiguate() {
	count := map[string]int{}
	for _, m := range e.Manifests {
		count[m.Metadata.Name]++
	}
	for n := range e.Manifests {
		m := &e.Manifests[n]
		if count[m.Metadata.Name] > 1 {
			sum := sha256.Sum256([]byte(cmp.Or(m.Spec.Email, string(m.id))))
			m.Metadata.Name += fmt.Sprintf("-%x", sum[:4])
		}
	}
}

// Summary describes the export in lines.
func (e Export) Summary() []string {
	lines := []string{fmt.Sprintf("Users with a manifest: %d", len(e.Manifests))}
	if e.ByRule > 0 {
		lines = append(lines, fmt.Sprintf("Users without one, because a RoleRule gives their role: %d", e.ByRule))
	}
	if e.Expired > 0 {
		lines = append(lines, fmt.Sprintf("Users without one, because their role has expired: %d", e.Expired))
	}
	return lines
}

// exportMark is the first line of each exported file.
const exportMark = "# Written by manager export. A later export replaces this file.\n"

// Write writes all manifests as one stream.
func (e Export) Write(out io.Writer) error {
	var text strings.Builder
	text.WriteString(exportMark + comments(e.Summary()))
	for _, m := range e.Manifests {
		content, err := yaml.Marshal(m)
		if err != nil {
			return fmt.Errorf("encoding the manifest %s: %w", m.Metadata.Name, err)
		}
		text.WriteString("---\n" + string(content))
	}
	_, err := io.WriteString(out, text.String())
	return err
}

func comments(lines []string) string { return "# " + strings.Join(lines, "\n# ") + "\n" }
