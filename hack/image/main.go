// Command image makes the operator's container image of its binary, without a Docker daemon, a base image or a network:
// the binary, Mozilla's certificate authorities for Clerk's API, and a list of what the binary is made of. The same
// binary makes the same image, to the byte.
//
// It knows nothing of building the binary, nor of registries: make image and make push do.
package main

import (
	"debug/buildinfo"
	"flag"
	"fmt"
	"os"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintf(os.Stderr, "image: %v\n", err)
		os.Exit(1)
	}
}

func run() error {
	binary := flag.String("binary", "", "the operator, built for Linux without cgo")
	tag := flag.String("tag", "controller:dev", "the image's name")
	version := flag.String("version", "", "what the image says of its version")
	out := flag.String("out", "", "where the archive goes, for docker load, ctr images import or crane push; the list of parts goes beside it")
	flag.Parse()
	reference, err := name.NewTag(*tag)
	if err != nil {
		return err
	}
	content, err := os.ReadFile(*binary)
	if err != nil {
		return err
	}
	info, err := buildinfo.ReadFile(*binary)
	if err != nil {
		return fmt.Errorf("%s is not a Go binary: %w", *binary, err)
	}
	parts, err := billOfMaterials(info, *version)
	if err != nil {
		return err
	}
	image, err := assemble(content, parts, info, *version)
	if err != nil {
		return err
	}
	if err := os.WriteFile(*out+".cdx.json", parts, 0o644); err != nil { //nolint:gosec // for everybody to read
		return err
	}
	if err := tarball.WriteToFile(*out, reference, image); err != nil {
		return fmt.Errorf("writing %s: %w", *out, err)
	}
	digest, err := image.Digest()
	if err != nil {
		return err
	}
	fmt.Println(digest)
	return nil
}
