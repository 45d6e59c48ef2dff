package hrana_test

import (
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/fitai/fituser-operator/internal/store/storetest/hrana"
)

// TestVendorClient runs @libsql/client, the vendor's own, against the stand-in.
func TestVendorClient(t *testing.T) {
	node, modules := hrana.Vendor(t)
	server, err := hrana.New(filepath.Join(t.TempDir(), "app.sqlite"), hrana.Options{Token: "secret", BusyTimeout: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	paths := http.NewServeMux()
	paths.Handle("/", server)
	paths.HandleFunc("POST /test/expire", func(http.ResponseWriter, *http.Request) { server.ExpireStreams() })
	web := httptest.NewServer(paths)
	t.Cleanup(web.Close)

	script := exec.CommandContext(t.Context(), node, "testdata/client.mjs", modules, web.URL, "secret")
	out, err := script.CombinedOutput()
	if err != nil {
		t.Fatalf("the vendor's client: %v\n%s", err, out)
	}
	t.Logf("%s", out)
	if n := server.OpenStreams(); n != 0 {
		t.Errorf("%d streams were left open", n)
	}
}
