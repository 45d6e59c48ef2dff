package clerk

import (
	"context"
	"fmt"
	"net/http"
	"time"

	sdk "github.com/clerk/clerk-sdk-go/v2"

	"github.com/fitai/fituser-operator/internal/user"
)

// Importer moves people from before Clerk to Clerk.
type Importer interface {
	// CreateUser creates a user. An error of the kind [Rejected] has a [Refusal]. After [Unavailable] the user may exist:
	// look for its ExternalID before another try.
	CreateUser(ctx context.Context, wanted NewUser) (user.User, error)
	// FindByExternalID returns the users who have these external ids, each by its own. Clerk may know a user some moments
	// before its lists contain it.
	FindByExternalID(ctx context.Context, ids []string) (map[string]user.User, error)
}

// NewUser is a user to be created.
type NewUser struct {
	// ExternalID is the application's own id of the user, which is unique in Clerk. It makes an import repeatable.
	ExternalID string
	Email      string
	// Unverified creates the address as reserved: usable for sign-in, but verified only by the first one. Otherwise Clerk counts
	// it as verified.
	Unverified                 bool
	FirstName, LastName, Phone string
	// CreatedAt is zero for now.
	CreatedAt time.Time
	// Role is public_metadata.role; empty for none. Owner is the installation that its marker names; empty for no marker.
	Role  user.Role
	Owner string
	// Digest is a hashed password and Hasher its algorithm, in Clerk's words. Without both, the user has no password.
	Digest, Hasher string
}

// CreateUser implements [Importer].
func (c *client) CreateUser(ctx context.Context, wanted NewUser) (user.User, error) {
	u, err := c.createUser(ctx, wanted)
	if err != nil {
		return user.User{}, fmt.Errorf("creating a user: %w", err)
	}
	return u, nil
}

func (c *client) createUser(ctx context.Context, wanted NewUser) (user.User, error) {
	form, err := wanted.form()
	if err != nil {
		return user.User{}, err
	}
	if err := c.budget.acquire(ctx); err != nil {
		return user.User{}, err
	}
	body, err := c.call(ctx, http.MethodPost, "users", form)
	if err != nil {
		return user.User{}, err
	}
	u, err := decodeUser(body, c.extra()...)
	if err == nil && u.ExternalID != wanted.ExternalID {
		return user.User{}, unavailable("response is for another user")
	}
	return u, err
}

// userForm is the body of POST /users and of PATCH /users/{id}. Clerk refuses parameters that it does not know.
type userForm struct {
	sdk.APIParams
	ExternalID    string                       `json:"external_id"`
	Emails        []string                     `json:"email_address,omitempty"`
	EmailStatuses []string                     `json:"email_address_identification_status,omitempty"`
	Phones        []string                     `json:"phone_number,omitempty"`
	FirstName     string                       `json:"first_name,omitempty"`
	LastName      string                       `json:"last_name,omitempty"`
	CreatedAt     string                       `json:"created_at,omitempty"`
	Digest        string                       `json:"password_digest,omitempty"`
	Hasher        string                       `json:"password_hasher,omitempty"`
	NoPassword    bool                         `json:"skip_password_requirement,omitempty"`
	Public        map[string]user.Role         `json:"public_metadata,omitempty"`
	Private       map[string]map[string]string `json:"private_metadata,omitempty"`
}

// form returns the body that creates u.
func (u NewUser) form() (*userForm, error) {
	if u.ExternalID == "" || u.Email == "" {
		return nil, &Error{Kind: Rejected, detail: "a new user needs an external id and an e-mail address"}
	}
	if u.Role != "" && !user.IsRoleName(string(u.Role)) {
		return nil, &Error{Kind: Rejected, detail: "role cannot be granted"}
	}
	form := &userForm{
		ExternalID: u.ExternalID, Emails: []string{u.Email}, FirstName: u.FirstName, LastName: u.LastName,
		Digest: u.Digest, Hasher: u.Hasher, NoPassword: u.Digest == "",
	}
	if u.Unverified {
		form.EmailStatuses = []string{"reserved"}
	}
	if u.Phone != "" {
		form.Phones = []string{u.Phone}
	}
	if !u.CreatedAt.IsZero() {
		form.CreatedAt = u.CreatedAt.UTC().Format("2006-01-02T15:04:05.000Z07:00")
	}
	if u.Role != "" {
		form.Public = map[string]user.Role{"role": u.Role}
	}
	if u.Role != "" && u.Owner != "" {
		form.Private = map[string]map[string]string{"fituser": {"role": string(u.Role), "owner": u.Owner}}
	}
	return form, nil
}

// sentParams returns the parameters that requests of this package contain.
func sentParams() []string {
	return []string{
		"external_id", "email_address", "email_address_identification_status", "phone_number", "first_name", "last_name",
		"created_at", "password", "password_digest", "password_hasher", "skip_password_requirement",
		"public_metadata", "private_metadata", "user_id", "limit", "order_by", "starting_after",
	}
}
