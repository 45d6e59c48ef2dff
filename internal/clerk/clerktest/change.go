package clerktest

import (
	"net"
	"net/http"
	"time"
)

// origin is on whose behalf something changed: what an event's event_attributes say.
type origin struct {
	clientIP  string
	userAgent string
}

// browser is the origin of changes made from Go: a person at a sign-in page.
func browser() origin {
	return origin{"192.0.2.10", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"}
}

func caller(r *http.Request) origin {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	return origin{host, r.UserAgent()}
}

// change makes a new version of a user with apply and sends user.updated unless quiet. Its errors are *apiError:
// no such user, a value that another user has, or what apply returned; then nothing has changed.
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
	if c, conflict := s.dir.conflict(&next); conflict {
		return nil, taken(c)
	}
	s.store(&next, by, quiet)
	return &next, nil
}

// store makes next the current version of its user. Every write moves updated_at, even within one millisecond. The
// caller holds s.mu.
func (s *Server) store(next *User, by origin, quiet bool) {
	next.UpdatedAt = max(s.now().UnixMilli(), next.UpdatedAt+1)
	s.dir.put(next)
	if !quiet {
		s.emit("user.updated", *next, next.UpdatedAt, by)
	}
}

// add stores a new user and sends user.created.
func (s *Server) add(u *User, by origin) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c, conflict := s.dir.conflict(u); conflict {
		return taken(c)
	}
	s.dir.put(u)
	s.emit("user.created", *u, u.UpdatedAt, by)
	return nil
}

// drop deletes a user and sends user.deleted.
func (s *Server) drop(id string, by origin) (DeletedObject, error) {
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

// emit hands an event to the sender, if there is one. It is called with s.mu held, so that events are sent in the
// order of the changes.
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

// view returns what a read sees: the current users, or those of a replica that lags behind. It must not be changed,
// and the current one only be read while use runs.
func (s *Server) view(r *http.Request, use func(*directory)) {
	if past, ok := r.Context().Value(replica{}).(*directory); ok {
		use(past)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	use(s.dir)
}
