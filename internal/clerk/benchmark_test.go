package clerk

import (
	"encoding/json"
	"testing"

	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
)

// page returns the response to a request for a full page. Half of the users hold a granted role, and each has metadata of
// the application.
func page(tb testing.TB) []byte {
	tb.Helper()
	server := clerktest.NewServer(clerktest.Config{})
	for i, id := range server.Import(PageSize) {
		server.SetUnsafeMetadata(id, clerktest.Metadata{
			"onboarding": map[string]any{"step": 3, "goals": []any{"strength", "sleep"}},
		})
		server.AddEmail(id, id+"@example.org", false)
		if i%2 == 0 {
			server.SetPublicMetadata(id, clerktest.Metadata{"role": "trainer", "plan": "gold"})
			server.SetPrivateMetadata(id, clerktest.Metadata{"fituser": map[string]any{"role": "trainer", "owner": "prod-eu"}})
		}
	}
	body, err := json.Marshal(server.Users())
	if err != nil {
		tb.Fatal(err)
	}
	return body
}

// A sweep of 10⁶ users decodes 2000 pages.
func BenchmarkDecodePage(b *testing.B) {
	body := page(b)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if decoded, err := decodePage(body); err != nil || len(decoded.Users) != PageSize {
			b.Fatal(len(decoded.Users), err)
		}
	}
}
