package clerktest

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// maxFilterValues is how many values one filter accepts.
const maxFilterValues = 100

// predicate reports whether a user matches a filter.
type predicate func(*User) bool

// values returns a user's values of one field. A user may have several e-mail addresses.
type values func(*User) []string

// parseFilter parses the filters that GET /users and GET /users/count share. A user must match all of them. Unknown
// parameters are ignored, as Clerk ignores them in a query string.
func parseFilter(q url.Values) (predicate, error) {
	var all []predicate
	parsers := []func(url.Values) ([]predicate, error){exactFilters, timeFilters, fuzzyFilters, bannedFilter}
	for _, parse := range parsers {
		parsed, err := parse(q)
		if err != nil {
			return nil, err
		}
		all = append(all, parsed...)
	}
	return func(u *User) bool {
		return !slices.ContainsFunc(all, func(p predicate) bool { return !p(u) })
	}, nil
}

// exactFilters parses the repeated parameters. Values that no user has are ignored. Organizations, wallets and external
// accounts do not exist here, so no user has such a value.
func exactFilters(q url.Values) ([]predicate, error) {
	none := func(*User) []string { return nil }
	fields := map[string]values{
		"email_address": emailsOf, "phone_number": phonesOf, "web3_wallet": none, "provider_user_id": none,
		"username":        func(u *User) []string { return []string{valueOf(u.Username)} },
		"user_id":         func(u *User) []string { return []string{u.ID} },
		"external_id":     func(u *User) []string { return []string{valueOf(u.ExternalID)} },
		"organization_id": none,
	}
	var all []predicate
	for name, of := range fields {
		wanted := q[name]
		if len(wanted) > maxFilterValues {
			return nil, invalid(name, "form_param_array_size_exceeded", "exceeds maximum size",
				fmt.Sprintf("%s should not exceed %d items.", name, maxFilterValues))
		}
		if len(wanted) == 0 {
			continue
		}
		if strings.HasSuffix(name, "_id") && name != "provider_user_id" {
			all = append(all, includeOrExclude(wanted, of))
		} else {
			all = append(all, anyOf(wanted, of))
		}
	}
	return all, nil
}

func anyOf(wanted []string, of values) predicate {
	set := map[string]bool{}
	for _, w := range wanted {
		set[strings.ToLower(w)] = true
	}
	return func(u *User) bool {
		return slices.ContainsFunc(of(u), func(v string) bool { return set[strings.ToLower(v)] })
	}
}

// includeOrExclude excludes values that start with - and includes all others.
func includeOrExclude(wanted []string, of values) predicate {
	included, excluded := map[string]bool{}, map[string]bool{}
	for _, w := range wanted {
		if value, sign := cutSign(w); sign == '-' {
			excluded[value] = true
		} else {
			included[value] = true
		}
	}
	return func(u *User) bool {
		own := of(u)
		if slices.ContainsFunc(own, func(v string) bool { return excluded[v] }) {
			return false
		}
		return len(included) == 0 || slices.ContainsFunc(own, func(v string) bool { return included[v] })
	}
}

// timeFilters parses the bounds on times, in Unix milliseconds. A user without a value of that time never matches.
func timeFilters(q url.Values) ([]predicate, error) {
	fields := map[string]func(*User) *int64{
		"created_at":      func(u *User) *int64 { return &u.CreatedAt },
		"last_active_at":  func(u *User) *int64 { return u.LastActiveAt },
		"last_sign_in_at": func(u *User) *int64 { return u.LastSignInAt },
	}
	var all []predicate
	for name, of := range fields {
		for _, suffix := range []string{"_before", "_after", "_since"} {
			text := q.Get(name + suffix)
			if text == "" {
				continue
			}
			bound, err := strconv.ParseInt(text, 10, 64)
			if err != nil {
				const long = "Date values must be given in Unix millisecond timestamp format."
				return nil, invalid(name+suffix, "form_param_invalid_date", long, long)
			}
			before := suffix == "_before"
			all = append(all, func(u *User) bool {
				at := of(u)
				return at != nil && (before && *at < bound || !before && *at > bound)
			})
		}
	}
	return all, nil
}

// fuzzyFilters parses the filters that match substrings, ignoring case.
func fuzzyFilters(q url.Values) ([]predicate, error) {
	names := func(u *User) []string { return []string{valueOf(u.FirstName), valueOf(u.LastName)} }
	username := func(u *User) []string { return []string{valueOf(u.Username)} }
	fields := map[string]values{
		"email_address_query": emailsOf, "phone_number_query": phonesOf,
		"username_query": username, "name_query": names,
		"query": func(u *User) []string {
			return slices.Concat(emailsOf(u), phonesOf(u), username(u), names(u), []string{u.ID})
		},
	}
	var all []predicate
	for name, of := range fields {
		if part := strings.ToLower(q.Get(name)); part != "" {
			contains := func(v string) bool { return strings.Contains(strings.ToLower(v), part) }
			all = append(all, func(u *User) bool { return slices.ContainsFunc(of(u), contains) })
		}
	}
	return all, nil
}

func bannedFilter(q url.Values) ([]predicate, error) {
	text := q.Get("banned")
	if text == "" {
		return nil, nil
	}
	want, err := strconv.ParseBool(text)
	if err != nil {
		return nil, wrongValue("banned", text)
	}
	return []predicate{func(u *User) bool { return u.Banned == want }}, nil
}

func emailsOf(u *User) []string {
	var all []string
	for _, e := range u.EmailAddresses {
		all = append(all, e.EmailAddress)
	}
	return all
}

func phonesOf(u *User) []string {
	var all []string
	for _, p := range u.PhoneNumbers {
		all = append(all, p.PhoneNumber)
	}
	return all
}
