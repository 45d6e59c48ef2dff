// Command image builds the operator's container image from its binary, without a Docker daemon, a base image or a network.
// The image holds the binary, Mozilla's certificate authorities for Clerk's API, and a software bill of materials (SBOM).
// The same binary gives the same image, byte for byte.
//
// Building the binary and pushing the image are left to make image and make push.
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
	version := flag.String("version", "", "the version in the image's labels")
	out := flag.String("out", "", "the archive to write, for docker load, ctr images import or crane push; the SBOM is written beside it")
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
	sbom, err := billOfMaterials(info, *version)
	if err != nil {
		return err
	}
	image, err := assemble(content, sbom, info, *version)
	if err != nil {
		return err
	}
	if err := os.WriteFile(*out+".cdx.json", sbom, 0o644); err != nil { //nolint:gosec // the SBOM is public
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
