package clerktest

import (
	"fmt"
	"net"
	"net/http"
	"time"
)

// origin is the source of a change, as an event's event_attributes contain it.
type origin struct {
	clientIP  string
	userAgent string
}

// browserOrigin returns the origin of changes made from Go: a person at a sign-in page.
func browserOrigin() origin {
	return origin{"192.0.2.10", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"}
}

func originOf(r *http.Request) origin {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	return origin{host, r.UserAgent()}
}

// change stores a new version of a user, made by apply, and sends user.updated unless quiet. On an error nothing changes.
// The error is an *apiError: user not found, a unique value of another user, or the error of apply.
func (s *Server) change(id string, by origin, quiet bool, apply func(*User) error) (*User, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old, ok := s.dir.users[id]
	if !ok {
		return nil, userNotFound(id)
	}
	next := old.clone()
	if err := apply(&next); err != nil {
		return nil, err
	}
	if v, conflict := s.dir.conflict(&next); conflict {
		return nil, identifierExists(v)
	}
	s.storeVersion(&next, by, quiet)
	return &next, nil
}

// storeVersion makes next the current version of its user. Every write advances updated_at, even within one millisecond.
// The caller holds s.mu.
func (s *Server) storeVersion(next *User, by origin, quiet bool) {
	next.UpdatedAt = max(s.now().UnixMilli(), next.UpdatedAt+1)
	s.dir.put(next)
	if !quiet {
		s.emit("user.updated", *next, next.UpdatedAt, by)
	}
}

// addUser stores a new user and sends user.created.
func (s *Server) addUser(u *User, by origin) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if v, conflict := s.dir.conflict(u); conflict {
		return identifierExists(v)
	}
	s.dir.put(u)
	s.emit("user.created", *u, u.UpdatedAt, by)
	return nil
}

// createWithinQuota is addUser for the API, which refuses more users than [Config.MaxUsers].
func (s *Server) createWithinQuota(u *User, by origin) error {
	s.mu.Lock()
	full := s.config.MaxUsers > 0 && len(s.dir.users) >= s.config.MaxUsers
	s.mu.Unlock()
	if full {
		return newAPIError(http.StatusForbidden, "user_quota_exceeded", "user quota exceeded",
			fmt.Sprintf("You have reached your limit of %d users.", s.config.MaxUsers))
	}
	return s.addUser(u, by)
}

// removeUser deletes a user and sends user.deleted.
func (s *Server) removeUser(id string, by origin) (DeletedObject, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u, ok := s.dir.users[id]
	if !ok {
		return DeletedObject{}, userNotFound(id)
	}
	s.dir.remove(u)
	s.emit("user.deleted", u.deleted(), s.now().UnixMilli(), by)
	return u.deleted(), nil
}

// emit passes an event to the sender, if one is attached. The caller holds s.mu, so that events are sent in the order of
// the changes.
func (s *Server) emit(kind string, data any, changedAt int64, by origin) {
	if s.sender == nil {
		return
	}
	// In captures of real events the timestamp is 12 to 18 ms after the change.
	const processing = 15 * time.Millisecond
	s.sender.Send(Event{
		Type: kind, Object: "event", Data: data, InstanceID: s.config.InstanceID,
		Timestamp:       changedAt + processing.Milliseconds(),
		EventAttributes: EventAttributes{HTTPRequest: HTTPRequest{ClientIP: by.clientIP, UserAgent: by.userAgent}},
	})
}

// readDirectory calls use with the directory that r reads: the current one, or that of a lagging replica (see
// [Server.Stale]). use must not change it. The current directory is locked only while use runs.
func (s *Server) readDirectory(r *http.Request, use func(*directory)) {
	if past, ok := r.Context().Value(replicaKey{}).(*directory); ok {
		use(past)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	use(s.dir)
}
