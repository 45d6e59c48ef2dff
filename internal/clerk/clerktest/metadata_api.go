package clerktest

import (
	"bytes"
	"encoding/json"
	"net/http"
)

// metadataFields returns a user's metadata fields by their names in the API.
func metadataFields(u *User) map[string]*Metadata {
	return map[string]*Metadata{
		"public_metadata":  &u.PublicMetadata,
		"private_metadata": &u.PrivateMetadata,
		"unsafe_metadata":  &u.UnsafeMetadata,
	}
}

// mergeMetadata handles PATCH /users/{id}/metadata.
func (s *Server) mergeMetadata(r *http.Request) (any, error) {
	return s.writeMetadata(r, false, Metadata.merge)
}

// replaceMetadata handles PUT /users/{id}/metadata. According to Clerk's documentation null stores a JSON null, although
// the response schema forbids null for public_metadata.
func (s *Server) replaceMetadata(r *http.Request) (any, error) {
	return s.writeMetadata(r, true, func(_, next Metadata) Metadata { return next })
}

func (s *Server) writeMetadata(r *http.Request, nullable bool, combine func(old, next Metadata) Metadata) (any, error) {
	f, err := readForm(r)
	if err != nil {
		return nil, err
	}
	return s.change(r.PathValue("id"), originOf(r), s.config.SilentMetadata, func(u *User) error {
		f.allMetadata(u, nullable, combine)
		return f.finish()
	})
}

// allMetadata reads the three metadata fields and combines each one present with u's current value.
func (f *form) allMetadata(u *User, nullable bool, combine func(old, next Metadata) Metadata) {
	for name, field := range metadataFields(u) {
		var next Metadata
		if !f.metadata(name, nullable, &next) {
			continue
		}
		*field = combine(*field, next)
		if field.tooLarge() {
			f.fail(invalid(name, "form_param_exceeds_allowed_size", "exceeds allowed size",
				name+" exceeds the maximum allowed size of 8KB."))
		}
	}
}

// decodeJSON decodes without rounding numbers.
func decodeJSON(raw []byte, target any) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	return d.Decode(target)
}

// setFlag returns the handler of POST /users/{id}/ban, unban, lock or unlock.
func (s *Server) setFlag(apply func(*User)) endpoint {
	return func(r *http.Request) (any, error) {
		if _, err := readForm(r); err != nil {
			return nil, err
		}
		return s.change(r.PathValue("id"), originOf(r), false, func(u *User) error {
			apply(u)
			return nil
		})
	}
}

func ban(u *User)    { u.Banned = true }
func unban(u *User)  { u.Banned = false }
func lock(u *User)   { u.Locked = true } // without expiry: lockout_expires_in_seconds stays null
func unlock(u *User) { u.Locked = false }
