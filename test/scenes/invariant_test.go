package scenes_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/user"
)

// checkInvariants checks, before each write that deletes something or changes a role, that the current state allows it.
func (s *scene) checkInvariants() {
	s.gate.onWrite = func(c call) {
		var wrong string
		switch on := c.on.(type) {
		case user.ID:
			wrong = s.mayRemoveRow(on)
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
	}
}

// mayRemoveRow returns what forbids the deletion of a user's row, or nothing.
func (s *scene) mayRemoveRow(id user.ID) string {
	m := s.modelOf(id)
	switch {
	case m.account != nil:
		return fmt.Sprintf("%s is in Clerk", id)
	case m.active == nil:
		return fmt.Sprintf("%s has no FitUser", id)
	case m.active.Spec.Suspend, m.active.Spec.DeletionPolicy == v1alpha1.DeletionPolicyRetain:
		return fmt.Sprintf("the row of %s must stay", id)
	}
	return ""
}

// mayWriteRole returns what forbids this write of a user's metadata, or nothing.
func (s *scene) mayWriteRole(request *http.Request) string {
	var patch struct {
		Public  map[string]*string                       `json:"public_metadata"`
		Private map[string]*struct{ Role v1alpha1.Role } `json:"private_metadata"`
	}
	body, err := request.GetBody()
	if err == nil {
		var text []byte
		text, err = io.ReadAll(body)
		if err == nil {
			err = json.Unmarshal(text, &patch)
		}
	}
	if err != nil {
		return err.Error()
	}
	m := s.modelOf(user.ID(userInPath(request.URL.Path)))
	if m.account == nil {
		return "" // Clerk rejects it
	}
	var desired v1alpha1.Role
	if m.active != nil {
		desired = m.active.Spec.Role
	}
	role, aboutRole := patch.Public["role"]
	switch {
	case m.active != nil && m.active.Spec.Suspend:
		return "the user is suspended"
	case role != nil && *role != string(desired):
		return fmt.Sprintf("%s is granted, %q is desired", *role, desired)
	case role != nil:
		return ""
	case desired != "":
		return fmt.Sprintf("a role is revoked, and %s is desired", desired)
	case aboutRole && m.markerRole() != m.currentRole():
		return fmt.Sprintf("role %q is revoked, and %q was granted", m.currentRole(), m.markerRole())
	}
	return ""
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
