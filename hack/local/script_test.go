package main

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the files in testdata")

// The printed text is for newcomers, so the golden files are to be read as a whole.
func TestScript_Text(t *testing.T) {
	t.Parallel()
	local := script{
		Tools: "/src/the operator/.local/bin", Kubeconfig: "/src/the operator/.local/kubeconfig",
		Log: "/src/the operator/.local/manager.log", Table: "/src/the operator/.local/users.db",
		WebhookAddress: "127.0.0.1:8080", WebhookURL: "http://127.0.0.1:8080/api/webhooks",
		MetricsURL: "http://127.0.0.1:8082/metrics",
		Receiver:   true, ClerkURL: "http://127.0.0.1:8090/v1", SecretKey: "sk_test_standin",
	}
	clerk := local
	clerk.ClerkURL, clerk.SecretKey = "", ""
	noWebhooks := clerk
	noWebhooks.Receiver = false
	many := local
	many.Many = true
	for name, s := range map[string]script{
		"standin": local, "standin-many": many, "clerk": clerk, "clerk-without-webhooks": noWebhooks,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := s.render()
			if err != nil {
				t.Fatal(err)
			}
			compareGolden(t, name, got)
		})
	}
}

// compareGolden compares a text with the one in testdata.
func compareGolden(t *testing.T, name, got string) {
	t.Helper()
	golden := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
