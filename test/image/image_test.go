// Package image_test holds make image to its word.
package image_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// makeImage builds the image as the Makefile does, all of it anew, and returns its digest and where it is.
func makeImage(t *testing.T) (digest, archive string) {
	t.Helper()
	dir := t.TempDir()
	binary, archive := filepath.Join(dir, "manager"), filepath.Join(dir, "image.tar")
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-ldflags=-s -w", "-o", binary, "./cmd")
	build.Dir = filepath.Join("..", "..")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+runtime.GOARCH)
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building: %v\n%s", err, out)
	}
	pack := exec.CommandContext(t.Context(), "go", "run", "-C", "../../hack/image", ".",
		"-binary", binary, "-tag", "example.com/fituser:v1", "-version", "v1", "-out", archive)
	var complaints bytes.Buffer
	pack.Stderr = &complaints
	out, err := pack.Output()
	if err != nil {
		t.Fatalf("packing: %v\n%s", err, complaints.String())
	}
	return strings.TrimSpace(string(out)), archive
}

func TestTheSameSourceMakesTheSameImage(t *testing.T) {
	t.Parallel()
	first, archive := makeImage(t)
	if second, _ := makeImage(t); first != second || !strings.HasPrefix(first, "sha256:") {
		t.Errorf("first %s, then %s", first, second)
	}
	parts := unpack(t, archive)
	var manifest []struct{ Config string }
	decode(t, parts["manifest.json"], &manifest)
	var image struct {
		Config struct {
			User       string
			Entrypoint []string
		}
	}
	decode(t, parts[manifest[0].Config], &image)
	if image.Config.User != "65532:65532" {
		t.Errorf("it runs as %q", image.Config.User)
	}
	for name, content := range parts {
		if strings.HasSuffix(name, ".tar.gz") {
			wantFiles(t, content)
		}
	}
}

// wantFiles checks that a layer holds the program, what it needs, and nothing else: no shell, no package.
func wantFiles(t *testing.T, layer []byte) {
	t.Helper()
	plain, err := gzip.NewReader(bytes.NewReader(layer))
	if err != nil {
		t.Fatal(err)
	}
	files := untar(t, plain)
	names := slices.Sorted(maps.Keys(files))
	want := []string{"etc/passwd", "etc/ssl/certs/ca-certificates.crt", "manager", "manager.cdx.json"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	if count := bytes.Count(files["etc/ssl/certs/ca-certificates.crt"], []byte("BEGIN CERTIFICATE")); count < 100 {
		t.Errorf("%d certificate authorities", count)
	}
	if parts := string(files["manager.cdx.json"]); !strings.Contains(parts, "pkg:golang/sigs.k8s.io/controller-runtime@") {
		t.Errorf("the list of parts lacks controller-runtime: %.300s", parts)
	}
}

func unpack(t *testing.T, archive string) map[string][]byte {
	t.Helper()
	content, err := os.ReadFile(archive)
	if err != nil {
		t.Fatal(err)
	}
	return untar(t, bytes.NewReader(content))
}

// untar reads the files of an archive, its directories left out.
func untar(t *testing.T, archive io.Reader) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	reader := tar.NewReader(archive)
	for {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		if header.Typeflag != tar.TypeReg {
			continue
		}
		if files[header.Name], err = io.ReadAll(reader); err != nil {
			t.Fatal(err)
		}
	}
}

func decode(t *testing.T, text []byte, into any) {
	t.Helper()
	if err := json.Unmarshal(text, into); err != nil {
		t.Fatal(err)
	}
}
