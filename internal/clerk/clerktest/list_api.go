package clerktest

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// The paging of GET /users (Clerk's OpenAPI document, LimitParameter).
const (
	defaultLimit = 10
	maxLimit     = 500
)

// page is the requested part of the list.
type page struct {
	limit  int
	offset int
	after  string
	order  order
}

// order is a sort order. Users with equal fields are ordered by time of creation.
type order struct {
	field      string
	descending bool
}

// listUsers handles GET /users. The response is a bare array.
func (s *Server) listUsers(r *http.Request) (any, error) {
	q := r.URL.Query()
	matches, err := parseFilter(q)
	if err != nil {
		return nil, err
	}
	p, err := parsePage(q)
	if err != nil {
		return nil, err
	}
	var all []*User
	s.readDirectory(r, func(d *directory) { all = d.all() })
	p.order.sort(all)
	if all, err = p.afterCursor(all); err != nil {
		return nil, err
	}
	return p.slice(slices.DeleteFunc(all, func(u *User) bool { return !matches(u) })), nil
}

// countUsers handles GET /users/count. It ignores the paging parameters, which the Go SDK also sends.
func (s *Server) countUsers(r *http.Request) (any, error) {
	matches, err := parseFilter(r.URL.Query())
	if err != nil {
		return nil, err
	}
	var all []*User
	s.readDirectory(r, func(d *directory) { all = d.all() })
	n := 0
	for _, u := range all {
		if matches(u) {
			n++
		}
	}
	return map[string]any{"object": "total_count", "total_count": n}, nil
}

// parsePage parses the paging parameters. Clerk documents their bounds but not the error code of each 422.
func parsePage(q url.Values) (page, error) {
	p := page{limit: defaultLimit, after: q.Get("starting_after")}
	var err error
	if p.order, err = parseOrder(q.Get("order_by")); err != nil { // the first of several applies
		return page{}, err
	}
	if p.limit, err = parseInt(q, "limit", defaultLimit, 1); err != nil {
		return page{}, err
	}
	if p.limit > maxLimit {
		return page{}, invalid("limit", "form_param_value_too_large", "Value too large",
			"The value of limit can't be greater than 500")
	}
	if p.offset, err = parseInt(q, "offset", 0, 0); err != nil {
		return page{}, err
	}
	if p.after != "" && (p.offset != 0 || p.order.field != "created_at") {
		return page{}, invalid("starting_after", "form_conditional_param_disallowed", "is not allowed",
			"`starting_after` needs the created_at ordering and no offset.")
	}
	return p, nil
}

func parseInt(q url.Values, name string, absent, smallest int) (int, error) {
	text := q.Get(name)
	if text == "" {
		return absent, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < smallest {
		return 0, wrongValue(name, text)
	}
	return n, nil
}

func parseOrder(text string) (order, error) {
	if text == "" {
		return order{field: "created_at", descending: true}, nil
	}
	field, sign := cutSign(text)
	switch field {
	case "created_at", "updated_at", "email_address", "web3wallet", "first_name", "last_name", "phone_number",
		"username", "last_active_at", "last_sign_in_at":
		return order{field: field, descending: sign == '-'}, nil
	}
	return order{}, wrongValue("order_by", text)
}

// cutSign splits a value into its sign and the rest. An unescaped + arrives as a blank.
func cutSign(text string) (value string, sign byte) {
	if text != "" && strings.ContainsRune("+- ", rune(text[0])) {
		return text[1:], text[0]
	}
	return text, '+'
}

// sort sorts users. Its input is sorted oldest first.
func (o order) sort(users []*User) {
	if o.field != "created_at" {
		slices.SortStableFunc(users, o.compare)
	}
	if o.descending {
		slices.Reverse(users)
	}
}

func (o order) compare(a, b *User) int {
	switch o.field {
	case "updated_at":
		return cmp.Compare(a.UpdatedAt, b.UpdatedAt)
	case "last_active_at":
		return cmp.Compare(valueOf(a.LastActiveAt), valueOf(b.LastActiveAt))
	case "last_sign_in_at":
		return cmp.Compare(valueOf(a.LastSignInAt), valueOf(b.LastSignInAt))
	case "email_address":
		return cmp.Compare(a.PrimaryEmail(), b.PrimaryEmail())
	case "phone_number":
		return cmp.Compare(a.firstPhone(), b.firstPhone())
	case "first_name":
		return cmp.Compare(valueOf(a.FirstName), valueOf(b.FirstName))
	case "last_name":
		return cmp.Compare(valueOf(a.LastName), valueOf(b.LastName))
	case "username":
		return cmp.Compare(valueOf(a.Username), valueOf(b.Username))
	}
	return 0 // web3wallet: users have none here
}

// afterCursor returns the users after the cursor. Clerk does not document its response to the cursor of a deleted user.
// An error prevents a client from continuing with users missing.
func (p page) afterCursor(users []*User) ([]*User, error) {
	if p.after == "" {
		return users, nil
	}
	i := slices.IndexFunc(users, func(u *User) bool { return u.ID == p.after })
	if i < 0 {
		return nil, wrongValue("starting_after", p.after)
	}
	return users[i+1:], nil
}

// slice returns the page. It is never nil, which JSON would encode as null.
func (p page) slice(users []*User) []*User {
	start := min(p.offset, len(users))
	return users[start:min(start+p.limit, len(users))]
}

func (u *User) firstPhone() string {
	if len(u.PhoneNumbers) == 0 {
		return ""
	}
	return u.PhoneNumbers[0].PhoneNumber
}

func valueOf[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}
