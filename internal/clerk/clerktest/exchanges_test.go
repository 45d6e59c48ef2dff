package clerktest_test

import (
	"maps"
	"strings"
)

// exchange is a request and the expected response. {id} and {joe} are users, {email} the first user's e-mail address, and
// {other} an unverified address of the user.
type exchange struct {
	method, path, body string
	status             int
	code               string // of the first error, or ""
}

// Error codes that occur repeatedly.
const (
	notFound     = "resource_not_found"
	unknown      = "form_param_unknown"
	wrongValue   = "form_param_value_invalid"
	wrongFormat  = "form_param_format_invalid"
	taken        = "form_identifier_exists"
	tooMany      = "form_param_array_size_exceeded"
	notTogether  = "form_conditional_param_disallowed"
	invalidBody  = "request_body_invalid"
	invalidTime  = "form_param_invalid_time"
	tooLarge     = "form_param_exceeds_allowed_size"
	notOwn       = "form_resource_not_found"
	notVerified  = "form_verification_needed"
	wrongLength  = "form_param_array_length_mismatch"
	beyondLimit  = "form_param_value_too_large"
	noIdentifier = "form_data_missing"
)

const bcryptDigest = "$2a$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy"

// exchanges returns the successful exchange and all errors of every endpoint.
func exchanges() map[string]exchange {
	all := map[string]exchange{
		"instance":       {"GET", "/instance", "", 200, ""},
		"unknown URL":    {"GET", "/starships", "", 404, notFound},
		"unknown method": {"PUT", "/users/{id}", "{}", 404, notFound},
	}
	for _, group := range []map[string]exchange{
		listExchanges(), userExchanges(), createExchanges(), metadataExchanges(), emailExchanges(),
	} {
		maps.Copy(all, group)
	}
	return all
}

func listExchanges() map[string]exchange {
	many := strings.Repeat("user_id=user_1&", 101)
	addresses := strings.Repeat("email_address=a@example.com&", 101)
	return map[string]exchange{
		"list":                   {"GET", "/users", "", 200, ""},
		"list unknown id":        {"GET", "/users?user_id=user_nobody", "", 200, ""},
		"list limit 0":           {"GET", "/users?limit=0", "", 422, wrongValue},
		"list limit 501":         {"GET", "/users?limit=501", "", 422, beyondLimit},
		"list limit malformed":   {"GET", "/users?limit=ten", "", 422, wrongValue},
		"list offset negative":   {"GET", "/users?offset=-1", "", 422, wrongValue},
		"list order unknown":     {"GET", "/users?order_by=shoe_size", "", 422, wrongValue},
		"list 101 ids":           {"GET", "/users?" + many, "", 422, tooMany},
		"list addresses":         {"GET", "/users?email_address=JANE@example.com&email_address=other@example.com", "", 200, ""},
		"list external ids":      {"GET", "/users?external_id=42&external_id=%2B43&external_id=unknown", "", 200, ""},
		"list 101 external ids":  {"GET", "/users?" + strings.Repeat("external_id=1&", 101), "", 422, tooMany},
		"list 101 addresses":     {"GET", "/users?" + addresses, "", 422, tooMany},
		"list time malformed":    {"GET", "/users?created_at_after=monday", "", 422, "form_param_invalid_date"},
		"list banned malformed":  {"GET", "/users?banned=perhaps", "", 422, wrongValue},
		"list cursor and offset": {"GET", "/users?starting_after={id}&offset=1", "", 422, notTogether},
		"list cursor and order":  {"GET", "/users?starting_after={id}&order_by=username", "", 422, notTogether},
		"list cursor unknown":    {"GET", "/users?starting_after=user_nobody", "", 422, wrongValue},
		"count":                  {"GET", "/users/count", "", 200, ""},
		"count 101 ids":          {"GET", "/users/count?" + many, "", 422, tooMany},
	}
}

func userExchanges() map[string]exchange {
	return map[string]exchange{
		"get":                            {"GET", "/users/{id}", "", 200, ""},
		"get unknown user":               {"GET", "/users/user_nobody", "", 404, notFound},
		"get unclean path":               {"GET", "/users/x/../../instance", "", 404, notFound},
		"update":                         {"PATCH", "/users/{id}", `{"first_name":null,"username":"jane"}`, 200, ""},
		"update unknown user":            {"PATCH", "/users/user_nobody", `{}`, 404, notFound},
		"update unknown parameter":       {"PATCH", "/users/{id}", `{"shoe_size":44}`, 422, unknown},
		"update primary":                 {"PATCH", "/users/{id}", `{"primary_email_address_id":"{email}"}`, 200, ""},
		"update primary of another user": {"PATCH", "/users/{id}", `{"primary_email_address_id":"idn_x"}`, 422, notOwn},
		"update primary unverified":      {"PATCH", "/users/{id}", `{"primary_email_address_id":"{other}"}`, 422, notVerified},
		"update metadata":                {"PATCH", "/users/{id}", `{"public_metadata":{"a":1},"private_metadata":null}`, 200, ""},
		"update external id":             {"PATCH", "/users/{id}", `{"external_id":"43"}`, 200, ""},
		"update external id taken":       {"PATCH", "/users/{joe}", `{"external_id":"42"}`, 422, taken},
		"ban":                            {"POST", "/users/{id}/ban", "", 200, ""},
		"unban":                          {"POST", "/users/{id}/unban", "null", 200, ""},
		"lock":                           {"POST", "/users/{id}/lock", "", 200, ""},
		"unlock":                         {"POST", "/users/{id}/unlock", "{}", 200, ""},
		"ban unknown user":               {"POST", "/users/user_nobody/ban", "", 404, notFound},
		"delete":                         {"DELETE", "/users/{id}", "null", 200, ""},
		"delete unknown user":            {"DELETE", "/users/user_nobody", "null", 404, notFound},
	}
}

func createExchanges() map[string]exchange {
	post := func(body string, status int, code string) exchange {
		return exchange{"POST", "/users", body, status, code}
	}
	return map[string]exchange{
		"create": post(`{"email_address":["a@example.com"],"phone_number":["+15550123"]}`, 200, ""),
		"create imported": post(`{"external_id":"7","email_address":["b@example.com"],"email_address_identification_status":["reserved"],
			"created_at":"2019-02-03T04:05:06.789Z","password_digest":"`+bcryptDigest+`","password_hasher":"bcrypt",
			"public_metadata":{"role":"trainer"},"private_metadata":{"fituser":{"role":"trainer","owner":"here"}}}`, 200, ""),
		"create without password":  post(`{"email_address":["b@example.com"],"skip_password_requirement":true}`, 200, ""),
		"create without hasher":    post(`{"username":"x","password_digest":"`+bcryptDigest+`"}`, 422, "form_param_missing"),
		"create unknown hasher":    post(`{"username":"x","password_digest":"x","password_hasher":"rot13"}`, 422, wrongValue),
		"create digest malformed":  post(`{"username":"x","password_digest":"x","password_hasher":"bcrypt"}`, 422, "form_password_digest_invalid_code"),
		"create taken external id": post(`{"username":"x","external_id":"42"}`, 422, taken),
		"create unknown parameter": post(`{"username":"x","shoe_size":44}`, 422, unknown),
		"create wrong type":        post(`{"username":7}`, 422, wrongValue),
		"create empty":             post(`{}`, 422, noIdentifier),
		"create invalid address":   post(`{"email_address":["nowhere"]}`, 422, wrongFormat),
		"create invalid number":    post(`{"phone_number":["911"]}`, 422, wrongFormat),
		"create taken":             post(`{"email_address":["JANE@example.com"]}`, 422, taken),
		"create statuses":          post(`{"username":"x","email_address_identification_status":["reserved"]}`, 422, wrongLength),
		"create invalid time":      post(`{"username":"x","created_at":"monday"}`, 422, invalidTime),
		"create invalid JSON":      post(`{`, 400, invalidBody),
		"create array":             post(`[]`, 400, invalidBody),
		"create large":             post(strings.Repeat(" ", 2<<20), 413, "request_body_too_large"),
	}
}

func metadataExchanges() map[string]exchange {
	const path = "/users/{id}/metadata"
	long := strings.Repeat("a", 8<<10)
	return map[string]exchange{
		"merge":                   {"PATCH", path, `{"public_metadata":{"role":"admin"}}`, 200, ""},
		"merge unknown user":      {"PATCH", "/users/user_nobody/metadata", `{}`, 404, notFound},
		"merge unknown parameter": {"PATCH", path, `{"metadata":{}}`, 422, unknown},
		"merge null":              {"PATCH", path, `{"public_metadata":null}`, 422, wrongValue},
		"merge array":             {"PATCH", path, `{"public_metadata":[]}`, 422, wrongValue},
		"merge too large":         {"PATCH", path, `{"public_metadata":{"a":"` + long + `"}}`, 422, tooLarge},
		"replace":                 {"PUT", path, `{"private_metadata":{}}`, 200, ""},
		"replace unknown user":    {"PUT", "/users/user_nobody/metadata", `{}`, 404, notFound},
		"replace by string":       {"PUT", path, `{"public_metadata":"x"}`, 422, wrongValue},
	}
}

func emailExchanges() map[string]exchange {
	add := func(user, address string, status int, code string) exchange {
		body := `{"user_id":"` + user + `","email_address":"` + address + `","verified":true}`
		return exchange{"POST", "/email_addresses", body, status, code}
	}
	return map[string]exchange{
		"add e-mail":          add("{id}", "b@example.com", 200, ""),
		"add empty e-mail":    add("{id}", "", 422, "form_param_missing"),
		"add invalid e-mail":  add("{id}", "b", 422, wrongFormat),
		"add to unknown user": add("user_nobody", "b@example.com", 404, notFound),
		"add taken":           add("{id}", "joe@example.com", 422, taken),
		"add taken unverified": {
			"POST", "/email_addresses", `{"user_id":"{id}","email_address":"Joe@example.com"}`, 422, taken,
		},
		"get e-mail":               {"GET", "/email_addresses/{email}", "", 200, ""},
		"get unknown e-mail":       {"GET", "/email_addresses/idn_x", "", 404, notFound},
		"verify e-mail":            {"PATCH", "/email_addresses/{other}", `{"verified":true,"primary":true}`, 200, ""},
		"update unknown e-mail":    {"PATCH", "/email_addresses/idn_x", `{}`, 404, notFound},
		"update e-mail wrong type": {"PATCH", "/email_addresses/{email}", `{"verified":"yes"}`, 422, wrongValue},
		"delete e-mail":            {"DELETE", "/email_addresses/{email}", "null", 200, ""},
		"delete unknown e-mail":    {"DELETE", "/email_addresses/idn_x", "null", 404, notFound},
	}
}
