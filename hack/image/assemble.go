package main

import (
	"archive/tar"
	"bytes"
	"debug/buildinfo"
	"encoding/pem"
	"fmt"
	"io"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// user is the user and group that the manifests set for the container.
const user = "65532:65532"

// file is a file of the image.
type file struct {
	name    string
	mode    int64
	content []byte
}

// assemble builds the image: one layer with few files, and the configuration.
func assemble(binary, sbom []byte, info *buildinfo.BuildInfo, version string) (v1.Image, error) {
	settings := map[string]string{}
	for _, setting := range info.Settings {
		settings[setting.Key] = setting.Value
	}
	if settings["GOOS"] != "linux" || settings["CGO_ENABLED"] != "0" {
		return nil, fmt.Errorf("the binary was built for %s with CGO_ENABLED=%s: want linux and 0", settings["GOOS"], settings["CGO_ENABLED"])
	}
	layer, err := layerOf([]file{
		{"etc/passwd", 0o644, []byte("nonroot:x:65532:65532::/:/sbin/nologin\n")},
		{"etc/ssl/certs/ca-certificates.crt", 0o644, authorities()},
		{"manager", 0o755, binary},
		{"manager.cdx.json", 0o644, sbom},
	})
	if err != nil {
		return nil, err
	}
	image, err := mutate.AppendLayers(empty.Image, layer)
	if err != nil {
		return nil, fmt.Errorf("adding the layer: %w", err)
	}
	created, _ := time.Parse(time.RFC3339, settings["vcs.time"]) // without version control it is the year 1, which is also reproducible
	image, err = mutate.CreatedAt(image, v1.Time{Time: created})
	if err != nil {
		return nil, fmt.Errorf("setting the time: %w", err)
	}
	return configure(image, settings, version)
}

func configure(image v1.Image, settings map[string]string, version string) (v1.Image, error) {
	config, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture = settings["GOOS"], settings["GOARCH"]
	config.Config = v1.Config{
		User:       user,
		Entrypoint: []string{"/manager"},
		WorkingDir: "/",
		Labels: map[string]string{
			"org.opencontainers.image.title":       "fituser-operator",
			"org.opencontainers.image.description": "Keeps Clerk's users, FitUser objects and a users table in agreement",
			"org.opencontainers.image.source":      "https://github.com/fitai/fituser-operator",
			"org.opencontainers.image.licenses":    "Apache-2.0",
			"org.opencontainers.image.version":     version,
			"org.opencontainers.image.revision":    settings["vcs.revision"],
			"org.opencontainers.image.created":     settings["vcs.time"],
		},
	}
	return mutate.ConfigFile(image, config)
}

// layerOf packs files. All get the time 1970, so that the layer depends only on their content.
func layerOf(files []file) (v1.Layer, error) {
	var packed bytes.Buffer
	writer := tar.NewWriter(&packed)
	for _, dir := range []string{"etc/", "etc/ssl/", "etc/ssl/certs/"} {
		header := &tar.Header{Typeflag: tar.TypeDir, Name: dir, Mode: 0o755, ModTime: time.Unix(0, 0)}
		if err := writer.WriteHeader(header); err != nil {
			return nil, fmt.Errorf("packing %s: %w", dir, err)
		}
	}
	for _, f := range files {
		header := &tar.Header{Typeflag: tar.TypeReg, Name: f.name, Mode: f.mode, Size: int64(len(f.content)), ModTime: time.Unix(0, 0)}
		if err := writer.WriteHeader(header); err != nil {
			return nil, fmt.Errorf("packing %s: %w", f.name, err)
		}
		if _, err := writer.Write(f.content); err != nil {
			return nil, fmt.Errorf("packing %s: %w", f.name, err)
		}
	}
	if err := writer.Close(); err != nil {
		return nil, err
	}
	return tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(packed.Bytes())), nil })
}

// authorities returns Mozilla's certificate authorities from golang.org/x/crypto, so that the image does not depend on the
// machine.
func authorities() []byte {
	var all bytes.Buffer
	for root := range bundle.Roots() {
		_ = pem.Encode(&all, &pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}) // a buffer returns no error
	}
	return all.Bytes()
}
