package main

import (
	"bytes"
	"debug/buildinfo"
	"fmt"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

// billOfMaterials returns the SBOM in CycloneDX format: the Go modules in the binary, and Go itself. It has no time and no
// random number, so that the same binary gives the same SBOM.
func billOfMaterials(info *buildinfo.BuildInfo, version string) ([]byte, error) {
	bom := cdx.NewBOM()
	bom.Metadata = &cdx.Metadata{Component: &cdx.Component{
		BOMRef: "manager", Type: cdx.ComponentTypeApplication, Name: info.Main.Path, Version: version,
	}}
	components := []cdx.Component{library("std", info.GoVersion[len("go"):])}
	for _, module := range info.Deps {
		if module.Replace != nil {
			module = module.Replace
		}
		components = append(components, library(module.Path, module.Version))
	}
	bom.Components = &components
	var encoded bytes.Buffer
	if err := cdx.NewBOMEncoder(&encoded, cdx.BOMFileFormatJSON).SetPretty(true).Encode(bom); err != nil {
		return nil, fmt.Errorf("encoding the SBOM: %w", err)
	}
	return encoded.Bytes(), nil
}

func library(path, version string) cdx.Component {
	url := fmt.Sprintf("pkg:golang/%s@%s", path, version)
	return cdx.Component{BOMRef: url, Type: cdx.ComponentTypeLibrary, Name: path, Version: version, PackageURL: url}
}
