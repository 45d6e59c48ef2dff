package clerktest_test

import (
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
)

func TestMetadata_PatchMerges(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ before, patch, after string }{
		"new key":                    {`{"a":1}`, `{"b":2}`, `{"a":1,"b":2}`},
		"same key":                   {`{"a":1}`, `{"a":2}`, `{"a":2}`},
		"null removes":               {`{"a":1,"b":2}`, `{"a":null}`, `{"b":2}`},
		"null removes nothing":       {`{"a":1}`, `{"b":null}`, `{"a":1}`},
		"deep merge":                 {`{"a":{"b":{"c":1}}}`, `{"a":{"b":{"d":2}}}`, `{"a":{"b":{"c":1,"d":2}}}`},
		"deep null removes":          {`{"a":{"b":1,"c":2}}`, `{"a":{"b":null}}`, `{"a":{"c":2}}`},
		"null in a new object":       {`{}`, `{"a":{"b":null,"c":1}}`, `{"a":{"c":1}}`},
		"last key leaves the object": {`{"a":{"b":1}}`, `{"a":{"b":null}}`, `{"a":{}}`},
		"object replaces value":      {`{"a":1}`, `{"a":{"b":2}}`, `{"a":{"b":2}}`},
		"value replaces object":      {`{"a":{"b":2}}`, `{"a":1}`, `{"a":1}`},
		"array replaces array":       {`{"a":[1,2]}`, `{"a":[3]}`, `{"a":[3]}`},
		"null within an array stays": {`{}`, `{"a":[null,{"b":null}]}`, `{"a":[null,{"b":null}]}`},
		"empty patch":                {`{"a":1}`, `{}`, `{"a":1}`},
		"large numbers keep digits":  {`{"a":12345678901234567890}`, `{"b":1.10}`, `{"a":12345678901234567890,"b":1.10}`},
		"any JSON is kept":           {`{"é\u0000":"<&>"}`, `{"":[]}`, `{"":[],"é\u0000":"\u003c\u0026\u003e"}`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, clerktest.Config{})
			path := "/users/" + s.SignUp(clerktest.Person{Email: "jane@example.com"}) + "/metadata"
			s.send(t, http.MethodPut, path, `{"private_metadata":`+tt.before+`}`)
			got := s.send(t, http.MethodPatch, path, `{"private_metadata":`+tt.patch+`}`)
			if diff := cmp.Diff(tt.after, field(t, got.body, "private_metadata")); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			for _, untouched := range []string{"public_metadata", "unsafe_metadata"} {
				if got := field(t, got.body, untouched); got != "{}" {
					t.Errorf("%s = %s, want {}", untouched, got)
				}
			}
		})
	}
}

func TestMetadata_PutReplaces(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ before, put, after string }{
		"replaces all":   {`{"a":{"b":1}}`, `{"a":{"c":2}}`, `{"a":{"c":2}}`},
		"clears":         {`{"a":1}`, `{}`, `{}`},
		"nulls stay":     {`{"a":1}`, `{"b":null}`, `{"b":null}`},
		"null is stored": {`{"a":1}`, `null`, `null`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, clerktest.Config{})
			path := "/users/" + s.SignUp(clerktest.Person{Email: "jane@example.com"}) + "/metadata"
			s.send(t, http.MethodPut, path, `{"private_metadata":`+tt.before+`}`)
			got := s.send(t, http.MethodPut, path, `{"private_metadata":`+tt.put+`}`)
			if diff := cmp.Diff(tt.after, field(t, got.body, "private_metadata")); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// A rejected write changes nothing, not even its valid fields.
func TestMetadata_RejectedWriteChangesNothing(t *testing.T) {
	t.Parallel()
	s := start(t, clerktest.Config{})
	id := s.SignUp(clerktest.Person{Email: "jane@example.com"})
	before, _ := s.User(id)
	got := s.send(t, http.MethodPatch, "/users/"+id+"/metadata", `{"public_metadata":{"a":1},"unsafe_metadata":7}`)
	if got.status != http.StatusUnprocessableEntity {
		t.Fatalf("status %d, want 422", got.status)
	}
	after, _ := s.User(id)
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("the user changed (-before +after):\n%s", diff)
	}
	if n := len(s.Writes()); n != 0 {
		t.Errorf("%d writes recorded, want 0", n)
	}
}

func TestMetadata_SetFromGoIsCopied(t *testing.T) {
	t.Parallel()
	s := clerktest.NewServer(clerktest.Config{})
	inner := map[string]any{"b": []any{"c"}}
	m := clerktest.Metadata{"a": inner}
	id := s.SignUp(clerktest.Person{Email: "jane@example.com", PublicMetadata: m})
	s.SetPrivateMetadata(id, m)
	s.SetUnsafeMetadata(id, m)
	inner["b"] = "changed"
	got, _ := s.User(id)
	want := clerktest.Metadata{"a": map[string]any{"b": []any{"c"}}}
	for name, m := range map[string]clerktest.Metadata{
		"public": got.PublicMetadata, "private": got.PrivateMetadata, "unsafe": got.UnsafeMetadata,
	} {
		if diff := cmp.Diff(want, m); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// field returns the raw JSON of one field of an object.
func field(t *testing.T, body, name string) string {
	t.Helper()
	var object map[string]rawJSON
	decode(t, body, &object)
	return string(object[name])
}
