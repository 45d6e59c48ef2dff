// Package image_test tests make image: its result is reproducible and contains only what the operator needs.
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

// makeImage builds the binary and the image as the Makefile does. It returns the digest and the archive's path.
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
	var stderr bytes.Buffer
	pack.Stderr = &stderr
	out, err := pack.Output()
	if err != nil {
		t.Fatalf("building the image: %v\n%s", err, stderr.String())
	}
	return strings.TrimSpace(string(out)), archive
}

func TestImage_IsReproducibleAndMinimal(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("builds two images, which -short leaves out")
	}
	first, archive := makeImage(t)
	if second, _ := makeImage(t); first != second || !strings.HasPrefix(first, "sha256:") {
		t.Errorf("the first digest is %s, the second %s", first, second)
	}
	files := unpack(t, archive)
	var manifest []struct{ Config string }
	decode(t, files["manifest.json"], &manifest)
	var image struct {
		Config struct {
			User       string
			Entrypoint []string
		}
	}
	decode(t, files[manifest[0].Config], &image)
	if image.Config.User != "65532:65532" {
		t.Errorf("the image's user is %q", image.Config.User)
	}
	for name, content := range files {
		if strings.HasSuffix(name, ".tar.gz") {
			wantFiles(t, content)
		}
	}
}

// wantFiles checks that a layer holds only the binary and what it needs: no shell, no package.
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
		t.Errorf("the image has only %d certificate authorities", count)
	}
	if sbom := string(files["manager.cdx.json"]); !strings.Contains(sbom, "pkg:golang/sigs.k8s.io/controller-runtime@") {
		t.Errorf("the SBOM lacks controller-runtime: %.300s", sbom)
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

// untar returns the regular files of an archive.
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
