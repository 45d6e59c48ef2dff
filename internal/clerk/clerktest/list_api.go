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

// page is which part of the list a request wants.
type page struct {
	limit  int
	offset int
	after  string
	order  order
}

// order is a field to sort by. Users with equal fields follow each other by creation.
type order struct {
	field      string
	descending bool
}

// listUsers is GET /users: a bare array.
func (s *Server) listUsers(r *http.Request) (any, error) {
	q := r.URL.Query()
	wanted, err := parseFilter(q)
	if err != nil {
		return nil, err
	}
	p, err := parsePage(q)
	if err != nil {
		return nil, err
	}
	var all []*User
	s.view(r, func(d *directory) { all = d.all() })
	p.order.sort(all)
	if all, err = p.from(all); err != nil {
		return nil, err
	}
	return p.cut(slices.DeleteFunc(all, func(u *User) bool { return !wanted(u) })), nil
}

// countUsers is GET /users/count. It ignores paging, which the Go SDK sends along.
func (s *Server) countUsers(r *http.Request) (any, error) {
	wanted, err := parseFilter(r.URL.Query())
	if err != nil {
		return nil, err
	}
	var all []*User
	s.view(r, func(d *directory) { all = d.all() })
	n := 0
	for _, u := range all {
		if wanted(u) {
			n++
		}
	}
	return map[string]any{"object": "total_count", "total_count": n}, nil
}

// parsePage reads the paging. Clerk documents the bounds but not which 422 belongs to which.
func parsePage(q url.Values) (page, error) {
	p := page{limit: defaultLimit, after: q.Get("starting_after")}
	var err error
	if p.order, err = parseOrder(q.Get("order_by")); err != nil { // of several, the first counts
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

// cutSign takes the sign off a value. A + that was not escaped arrives as a blank.
func cutSign(text string) (value string, sign byte) {
	if text != "" && strings.ContainsRune("+- ", rune(text[0])) {
		return text[1:], text[0]
	}
	return text, '+'
}

// sort orders users, which come oldest first.
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
	return 0 // web3wallet: nobody has one
}

// from drops everything up to the cursor. What Clerk does with a cursor whose user is gone is not documented; this
// is the answer that lets no client go on as if nothing were missing.
func (p page) from(users []*User) ([]*User, error) {
	if p.after == "" {
		return users, nil
	}
	i := slices.IndexFunc(users, func(u *User) bool { return u.ID == p.after })
	if i < 0 {
		return nil, wrongValue("starting_after", p.after)
	}
	return users[i+1:], nil
}

// cut returns the page. It is never nil: that would be null in JSON.
func (p page) cut(users []*User) []*User {
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
