package clerktest_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/go-cmp/cmp"

	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
)

func TestEvents_OfChangesFromGo(t *testing.T) {
	t.Parallel()
	type server = clerktest.Server
	tests := map[string]struct {
		config clerktest.Config
		change func(s *server, a, b string)
		want   string
	}{
		"sign-up": {change: func(s *server, _, _ string) { s.SignUp(clerktest.Person{}) }, want: "user.created"},
		"import":  {change: func(s *server, _, _ string) { s.Import(3) }},
		"sign-in": {change: func(s *server, a, _ string) { s.SignIn(a) }},
		"sign-in with SignInEvents": {
			config: clerktest.Config{SignInEvents: true},
			change: func(s *server, a, _ string) { s.SignIn(a) }, want: "user.updated",
		},
		"metadata": {change: func(s *server, a, _ string) { s.SetPublicMetadata(a, nil) }, want: "user.updated"},
		"metadata with SilentMetadata": {
			config: clerktest.Config{SilentMetadata: true},
			change: func(s *server, a, _ string) { s.SetPublicMetadata(a, nil) },
		},
		"ban":            {change: func(s *server, a, _ string) { s.Ban(a) }, want: "user.updated"},
		"deprovisioning": {change: func(s *server, a, _ string) { s.Deprovision(a) }, want: "user.updated"},
		"deletion":       {change: func(s *server, a, _ string) { s.Delete(a) }, want: "user.deleted"},
		"addresses swapped": {
			change: func(s *server, a, b string) { s.SwapEmails(a, b) }, want: "user.updated user.updated",
		},
		"address of another user": {
			change: func(s *server, a, _ string) { s.SetPrimaryEmail(a, "b@example.com") },
			want:   "user.updated user.updated",
		},
		"sender detached": {change: func(s *server, a, _ string) { s.Attach(nil); s.Ban(a) }},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := clerktest.NewServer(tt.config)
			a := s.SignUp(clerktest.Person{Email: "a@example.com"})
			b := s.SignUp(clerktest.Person{Email: "b@example.com"})
			sender := newSender(t, &endpoint{}, clerktest.SenderConfig{})
			s.Attach(sender)
			tt.change(s, a, b)
			if got := strings.Join(types(sender.Pending()), " "); got != tt.want {
				t.Errorf("sent %q, want %q", got, tt.want)
			}
		})
	}
}

// This test makes the changes through the API.
func TestEvents_OfRequests(t *testing.T) {
	t.Parallel()
	sends := map[string]string{
		"POST /users": "user.created", "PATCH /users/{id}": "user.updated", "DELETE /users/{id}": "user.deleted",
		"PATCH /users/{id}/metadata": "user.updated", "PUT /users/{id}/metadata": "user.updated",
		"POST /users/{id}/ban": "user.updated", "POST /users/{id}/unban": "user.updated",
		"POST /users/{id}/lock": "user.updated", "POST /users/{id}/unlock": "user.updated",
		"POST /email_addresses": "user.updated", "PATCH /email_addresses/{other}": "user.updated",
		"DELETE /email_addresses/{email}": "user.updated",
	}
	for name, x := range exchanges() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, fill := startWithUsers(t)
			sender := newSender(t, &endpoint{}, clerktest.SenderConfig{})
			s.Attach(sender)
			s.send(t, x.method, fill.Replace(x.path), fill.Replace(x.body))
			want := ""
			if x.status == 200 {
				want = sends[x.method+" "+x.path]
			}
			if got := strings.Join(types(sender.Pending()), " "); got != want {
				t.Errorf("sent %q, want %q", got, want)
			}
		})
	}
}

func TestEvents_SilentMetadata(t *testing.T) {
	t.Parallel()
	s := start(t, clerktest.Config{SilentMetadata: true})
	id := s.SignUp(clerktest.Person{})
	sender := newSender(t, &endpoint{}, clerktest.SenderConfig{})
	s.Attach(sender)
	for _, method := range []string{"PATCH", "PUT"} {
		s.send(t, method, "/users/"+id+"/metadata", `{"public_metadata":{"a":1}}`)
	}
	s.send(t, "PATCH", "/users/"+id, `{"last_name":"Doe"}`)
	if got := len(sender.Pending()); got != 1 {
		t.Errorf("%d events, want 1, for the name", got)
	}
}

func TestEvents_Body(t *testing.T) {
	t.Parallel()
	clk := newClock()
	s := start(t, clerktest.Config{Now: clk.now, InstanceID: "ins_1"})
	sender := newSender(t, &endpoint{}, clerktest.SenderConfig{})
	s.Attach(sender)
	id := s.SignUp(clerktest.Person{Email: "jane@example.com", PrivateMetadata: clerktest.Metadata{"a": "b"}})
	s.send(t, "POST", "/users/"+id+"/ban", "")

	var got struct {
		Data            json.RawMessage           `json:"data"`
		EventAttributes clerktest.EventAttributes `json:"event_attributes"`
		InstanceID      string                    `json:"instance_id"`
		Object          string                    `json:"object"`
		Timestamp       int64                     `json:"timestamp"`
		Type            string                    `json:"type"`
	}
	decode(t, string(sender.Pending()[1].Body), &got)
	now, _ := s.User(id)
	if diff := cmp.Diff(string(must(json.Marshal(now))), string(got.Data)); diff != "" {
		t.Errorf("data is not the user (-want +got):\n%s", diff)
	}
	if got.Type != "user.updated" || got.Object != "event" || got.InstanceID != "ins_1" {
		t.Errorf("envelope = %s %s %s", got.Type, got.Object, got.InstanceID)
	}
	if after := got.Timestamp - now.UpdatedAt; after < 12 || after > 18 {
		t.Errorf("timestamp is %d ms after updated_at, want 12 to 18", after)
	}
	want := clerktest.HTTPRequest{ClientIP: "127.0.0.1", UserAgent: "Go-http-client/1.1"}
	if diff := cmp.Diff(want, got.EventAttributes.HTTPRequest); diff != "" {
		t.Errorf("request (-want +got):\n%s", diff)
	}
}

func TestEvents_DeletionContainsExternalID(t *testing.T) {
	t.Parallel()
	s := clerktest.NewServer(clerktest.Config{})
	sender := newSender(t, &endpoint{}, clerktest.SenderConfig{})
	a, b := s.SignUp(clerktest.Person{ExternalID: "42"}), s.SignUp(clerktest.Person{})
	s.Attach(sender)
	s.Delete(a)
	s.Delete(b)
	want := []string{
		`{"deleted":true,"external_id":"42","id":"` + a + `","object":"user"}`,
		`{"deleted":true,"id":"` + b + `","object":"user"}`,
	}
	for i, m := range sender.Pending() {
		if got := field(t, string(m.Body), "data"); got != want[i] {
			t.Errorf("data = %s, want %s", got, want[i])
		}
	}
}

func TestEvents_MatchOpenAPI(t *testing.T) {
	t.Parallel()
	if os.Getenv(webhooksSpecVariable) == "" {
		t.Skip(webhooksSpecVariable + " is not set: no document to validate the events")
	}
	doc, err := openapi3.NewLoader().LoadFromFile(os.Getenv(webhooksSpecVariable))
	if err != nil {
		t.Fatalf("loading the document that %s names: %v", webhooksSpecVariable, err)
	}
	s := clerktest.NewServer(clerktest.Config{})
	sender := newSender(t, &endpoint{}, clerktest.SenderConfig{})
	s.Attach(sender)
	id := s.SignUp(clerktest.Person{Email: "jane@example.com", Phone: "+15550100", Username: "jane", ExternalID: "42"})
	s.SignUp(clerktest.Person{})
	s.SetPublicMetadata(id, clerktest.Metadata{"role": "admin"})
	s.Deprovision(id)
	s.Delete(id)
	sender.Send(clerktest.ExampleCreated())
	sender.Send(clerktest.ExampleUpdated())
	sender.Send(clerktest.ExampleDeleted())
	data := map[string]string{"user.created": "User", "user.updated": "User", "user.deleted": "DeletedObject"}
	for _, m := range sender.Pending() {
		if err := matches(doc, "WebhookEventPayload", m.Body); err != nil {
			t.Errorf("%s: the envelope violates Clerk's schema: %v", m.Type, err)
		}
		if err := matches(doc, data[m.Type], []byte(field(t, string(m.Body), "data"))); err != nil {
			t.Errorf("%s: the data violates Clerk's schema: %v", m.Type, err)
		}
	}
}

// The example events of Clerk's dashboard have a valid format and invalid content.
func TestExamples_HaveInvalidContent(t *testing.T) {
	t.Parallel()
	s := start(t, clerktest.Config{})
	for _, e := range []clerktest.Event{
		clerktest.ExampleCreated(), clerktest.ExampleUpdated(), clerktest.ExampleWithoutInstance(),
	} {
		u, ok := e.Data.(clerktest.User)
		if !ok || u.PrimaryEmailAddressID == nil || u.PrimaryEmail() != "" {
			t.Errorf("%s: want a dangling primary address: %+v", e.Type, e.Data)
		}
		if got := s.send(t, "GET", "/users/"+u.ID, ""); got.status != 404 {
			t.Errorf("%s: the user exists", e.Type)
		}
		if e.Timestamp > 1e11 {
			t.Errorf("%s: timestamp %d is in milliseconds", e.Type, e.Timestamp)
		}
	}
	body := string(must(json.Marshal(clerktest.ExampleWithoutInstance())))
	if strings.Contains(body, "instance_id") {
		t.Errorf("the older example contains an instance id: %s", body)
	}
	if d, ok := clerktest.ExampleDeleted().Data.(clerktest.DeletedObject); !ok || d.ExternalID == nil {
		t.Errorf("the example deletion has no external id: %+v", d)
	}
}
