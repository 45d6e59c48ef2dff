package scenes_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
	"github.com/fitai/fituser-operator/internal/user"
)

// checkInvariants checks, before each write that deletes something or changes a role, that the current state allows it.
func (s *scene) checkInvariants() {
	s.gate.onWrite = append(s.gate.onWrite, func(c call) {
		var wrong string
		switch on := c.on.(type) {
		case user.ID:
			wrong = s.mayRemoveRow(on)
		case user.Row:
			wrong = s.mayUpdateRow(on)
		case *http.Request:
			wrong = s.mayWriteRole(on)
		case *v1alpha1.FitUser:
			if c.verb == "delete" {
				wrong = s.mayDelete(on)
			}
		}
		if wrong != "" {
			s.Errorf("%s of %s: %s\n%s", c.verb, c.backend, wrong, s.output.tail())
		}
	})
}

// mayRemoveRow returns what forbids the deletion of a user's row, or nothing.
func (s *scene) mayRemoveRow(id user.ID) string {
	m := s.modelOf(id)
	switch {
	case m.account != nil:
		return fmt.Sprintf("%s is in Clerk", id)
	case m.active == nil:
		return fmt.Sprintf("%s has no FitUser", id)
	case m.active.Spec.Suspend, m.deletionPolicy() != v1alpha1.DeletionPolicyDelete, m.waits():
		return fmt.Sprintf("the row of %s must stay", id)
	}
	return ""
}

// mayUpdateRow returns what forbids this change of a deleted user's row, or nothing. The role is lowered at once. What else it
// holds is removed when its time has come.
func (s *scene) mayUpdateRow(row user.Row) string {
	m := s.modelOf(row.ID)
	anonymized := row.Email == anonymizedAddress(m.id) && row.FirstName+row.LastName+row.Phone == ""
	switch {
	case m.account != nil, m.active == nil, m.row == nil:
		return fmt.Sprintf("%s is in Clerk, or has no FitUser or no row", m.id)
	case m.active.Spec.Suspend, m.deletionPolicy() == v1alpha1.DeletionPolicyRetain:
		return fmt.Sprintf("the row of %s must stay as it is", m.id)
	case row.Role != user.Client:
		return fmt.Sprintf("the row of %s keeps the role %s", m.id, row.Role)
	case anonymized && (m.deletionPolicy() != v1alpha1.DeletionPolicyAnonymize || m.waits()):
		return fmt.Sprintf("the row of %s is not to be anonymized", m.id)
	case !anonymized && (row.Email != m.row["email"] || row.FirstName != m.row["first_name"] || row.LastName != m.row["last_name"]):
		return fmt.Sprintf("the row of %s changes in more than its role", m.id)
	}
	return ""
}

// mayWriteRole returns what forbids this write of a user's metadata, or nothing. The write must lead to what the manifests and
// rules require at this moment, and another installation's marker must stay as it is.
func (s *scene) mayWriteRole(request *http.Request) string {
	patch, err := rolePatchOf(request)
	if err != nil {
		return err.Error()
	}
	m := s.modelOf(user.ID(userInPath(request.URL.Path)))
	if m.account == nil {
		return "" // Clerk rejects it
	}
	want, has, current := m.demand(), m.marker(), m.currentRole()
	role, aboutRole := patch.Public["role"]
	written, aboutMarker := patch.Private["fituser"]
	switch {
	case m.active != nil && m.active.Spec.Suspend:
		return "the user is suspended"
	case !aboutMarker:
		return "the marker is not written"
	case has == want.marker && inForce(current) == want.role:
		return fmt.Sprintf("role %q and marker %+v are as they should be (%s)", current, has, want.reason)
	case m.isForeign() && has == want.marker:
		return fmt.Sprintf("the marker %+v of another installation is overwritten", has)
	case markerOf(clerktest.Metadata{"fituser": written}) != want.marker:
		return fmt.Sprintf("marker %+v is written, want %+v", written, want.marker)
	case role != nil:
		if *role != want.marker.role {
			return fmt.Sprintf("%s is granted, %+v is desired", *role, want)
		}
		return ""
	case want.marker.exists:
		return fmt.Sprintf("a role is revoked, and %+v is desired", want)
	case aboutRole && has.role != current:
		return fmt.Sprintf("role %q is revoked, and %q was granted", current, has.role)
	}
	return ""
}

// rolePatch is a write of the role and the marker.
type rolePatch struct {
	Public  map[string]*string `json:"public_metadata"`
	Private clerktest.Metadata `json:"private_metadata"`
}

func rolePatchOf(request *http.Request) (patch rolePatch, err error) {
	body, err := request.GetBody()
	if err != nil {
		return patch, err
	}
	text, err := io.ReadAll(body)
	if err != nil {
		return patch, err
	}
	return patch, json.Unmarshal(text, &patch)
}

// userInPath returns the id in /v1/users/{id}/metadata.
func userInPath(path string) (id string) {
	_, _ = fmt.Sscanf(path, "/v1/users/%s", &id)
	return id[:len(id)-len("/metadata")]
}

// mayDelete returns what forbids the deletion of a FitUser, or nothing.
func (s *scene) mayDelete(object *v1alpha1.FitUser) string {
	m := s.modelOf(user.ID(object.Spec.ClerkUserID))
	switch {
	case !object.ManagedByOperator():
		return fmt.Sprintf("FitUser %s is user-managed", object.Name)
	case m.account != nil && (m.active == nil || m.active.UID == object.UID):
		return fmt.Sprintf("FitUser %s is active", object.Name)
	}
	return ""
}
