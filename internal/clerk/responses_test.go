package clerk_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"github.com/fitai/fituser-operator/internal/clerk"
	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
	"github.com/fitai/fituser-operator/internal/user"
)

// personalText is personal data as Clerk's messages could contain it.
const personalText = "jane.canary@example.com Janecanary Doecanary +15550177 sk_test_canary"

// deepJSON returns JSON that is nested deeper than any of Clerk's responses.
func deepJSON() string { return strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000) }

func notFound(longMessage string) clerktest.Response {
	return jsonResponse(http.StatusNotFound,
		`{"errors":[{"message":"not found","long_message":"`+longMessage+`","code":"resource_not_found"}]}`)
}

// unusableResponses returns responses that prove neither that the user is deleted, nor that the request or the key is
// wrong.
func unusableResponses() map[string]clerktest.Response {
	return map[string]clerktest.Response{
		"502 in HTML":                     clerktest.HTML502(),
		"empty 503":                       clerktest.Empty503(),
		"500 from Clerk":                  clerktest.Status(http.StatusInternalServerError, "internal_clerk_error"),
		"500 with personal data":          clerktest.Static(http.StatusInternalServerError, "text/plain", personalText),
		"Cloudflare's 520":                clerktest.Static(520, "text/plain", personalText),
		"408":                             clerktest.Static(http.StatusRequestTimeout, "", ""),
		"500 with errors null":            jsonResponse(http.StatusInternalServerError, `{"errors":null}`),
		"400 with errors null":            jsonResponse(http.StatusBadRequest, `{"errors":null}`),
		"403 in HTML":                     clerktest.Static(http.StatusForbidden, "text/html", personalText),
		"413 in HTML":                     clerktest.Static(http.StatusRequestEntityTooLarge, "text/html", personalText),
		"409 while locked":                clerktest.Status(http.StatusConflict, "resource_locked"),
		"404 in HTML":                     clerktest.HTML404(),
		"404 without errors":              clerktest.ErrorsEmpty404(),
		"404 without a body":              clerktest.Static(http.StatusNotFound, "application/json", ""),
		"404 with status 200 in the body": clerktest.StatusInBody(),
		"404 of an unknown URL":           notFound("The URL was not found"),
		"404 of the instance":             notFound("No instance was found with id ins_2standin"),
		"404 of another user":             notFound("No user was found with id user_doe"),
		"404 of a longer id":              notFound("No user was found with id user_jane2"),
		"404 of a shorter id":             notFound("No user was found with id user_jan"),
		"404 with another code":           clerktest.Status(http.StatusNotFound, "organization_not_found_or_unauthorized"),
		"404 with another code about the user": jsonResponse(http.StatusNotFound, `{"errors":[{"code":"actor_token_subject_not_found",`+
			`"message":"user not found","long_message":"The user user_jane no longer exists."}]}`),
		"404 in plain text": clerktest.Static(http.StatusNotFound, "text/plain",
			`{"errors":[{"long_message":"No user was found with id user_jane","code":"resource_not_found"}]}`),
		"404 truncated": jsonResponse(http.StatusNotFound,
			`{"errors":[{"long_message":"No user was found with id user_jane","code":"resource_not_found"}`),
		"200 null":                    clerktest.OKNull(),
		"200 {}":                      clerktest.OKEmptyObject(),
		"200 []":                      clerktest.EmptyList(),
		"200 without a body":          clerktest.EmptyBody(),
		"200 truncated":               clerktest.Truncated(),
		"200 with half the JSON":      clerktest.HalfJSON(),
		"200 in HTML":                 clerktest.Static(http.StatusOK, "text/html", personalText),
		"200 with HTML labelled JSON": jsonResponse(http.StatusOK, "<html>"+personalText),
		"200 with text labelled JSON": jsonResponse(http.StatusOK, personalText),
		"200 with a string":           jsonResponse(http.StatusOK, `"`+personalText+`"`),
		"200 with a number":           jsonResponse(http.StatusOK, "7"),
		"200 with errors":             jsonResponse(http.StatusOK, `{"errors":[{"code":"resource_not_found"}]}`),
		"200 with two values":         jsonResponse(http.StatusOK, "{} {}"),
		"200 with deep JSON":          jsonResponse(http.StatusOK, deepJSON()),
		"201":                         jsonResponse(http.StatusCreated, "{}"),
		"204":                         clerktest.Static(http.StatusNoContent, "", ""),
		"304":                         clerktest.Static(http.StatusNotModified, "", ""),
		"no response":                 clerktest.CloseConnection(),
		"not HTTP":                    notHTTP,
	}
}

// unusableUsers returns unusable responses to a request for a user.
func unusableUsers() map[string]clerktest.Response {
	return map[string]clerktest.Response{
		"200 with a deleted user":        jsonResponse(http.StatusOK, `{"object":"user","id":"user_jane","deleted":true}`),
		"200 with a user as HTML":        withContentType("text/html"),
		"200 with a user without a type": withContentType(""),
		"200 with an organization":       clerktest.Replaced(`"object":"user"`, `"object":"organization"`),
		"200 with another user":          clerktest.Replaced(`"id":"user_jane"`, `"id":"user_doe"`),
		"200 with an upper-case id":      clerktest.Replaced(`"id":"user_jane"`, `"id":"user_Jane"`),
		"200 with a path in the id": clerktest.Replaced(
			`"id":"user_jane"`, `"id":"user_jane/../../organizations"`),
		"200 with a number as a string":  clerktest.Replaced(`"updated_at":`, `"updated_at":"1716883200000","was":`),
		"200 with a fraction":            clerktest.Replaced(`"updated_at":`, `"updated_at":1716883200000.5,"was":`),
		"200 with a flag as a string":    clerktest.Replaced(`"banned":false`, `"banned":"false"`),
		"200 without times":              clerktest.Replaced(`"created_at":`, `"created":`),
		"200 with addresses null":        clerktest.Replaced(`"email_addresses":`, `"email_addresses":null,"was":`),
		"200 with addresses as a string": clerktest.Replaced(`"email_addresses":`, `"email_addresses":"x","was":`),
	}
}

// tooLarge sends a body that is valid JSON so far and ends only when the client stops reading.
func tooLarge(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
	w.Header().Set("Content-Type", "application/json")
	blanks := bytes.Repeat([]byte(" "), 1<<20)
	for {
		if _, err := w.Write(blanks); err != nil {
			return
		}
	}
}

// withContentType sends the API's response with another content type.
func withContentType(contentType string) clerktest.Response {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		recorder := httptest.NewRecorder()
		next.ServeHTTP(recorder, r)
		clerktest.Static(recorder.Code, contentType, recorder.Body.String())(w, r, nil)
	}
}

// notHTTP sends text that net/http quotes in its error.
func notHTTP(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
	connection, out, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err)
	}
	_, _ = out.WriteString(personalText + "\r\n\r\n")
	_ = out.Flush()
	_ = connection.Close()
}

func TestClient_UnusableResponseIsUnavailable(t *testing.T) {
	t.Parallel()
	for name, respond := range unusableResponses() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			s.failAll(respond)
			client := s.client()

			got, err := client.Get(t.Context(), s.jane)
			wantKind(t, err, clerk.Unavailable)
			if !reflect.ValueOf(got).IsZero() {
				t.Errorf("Get returned %+v with the error", got)
			}
			got, err = client.WriteRole(t.Context(), s.jane, user.GrantRole, own("admin"))
			wantKind(t, err, clerk.Unavailable)
			if !reflect.ValueOf(got).IsZero() {
				t.Errorf("WriteRole returned %+v with the error", got)
			}
			instance, err := client.Instance(t.Context())
			wantKind(t, err, clerk.Unavailable)
			if instance != "" {
				t.Errorf("Instance returned %q with the error", instance)
			}
		})
	}
}

func TestClient_UnusableUserIsUnavailable(t *testing.T) {
	t.Parallel()
	for name, respond := range unusableUsers() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			s.failAll(respond)
			_, err := s.client().Get(t.Context(), s.jane)
			wantKind(t, err, clerk.Unavailable)
			_, err = s.client().WriteRole(t.Context(), s.jane, user.GrantRole, own("admin"))
			wantKind(t, err, clerk.Unavailable)
		})
	}
}
