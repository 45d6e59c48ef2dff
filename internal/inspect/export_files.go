package inspect

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"
)

// kustomizationFile lists the manifests of an export.
const kustomizationFile = "kustomization.yaml"

// WriteDirectory writes each manifest into a file of its own, and a kustomization that lists them. It refuses a directory
// that is not empty. With replace it replaces the files of an earlier export, and leaves all others as they are.
func (e Export) WriteDirectory(directory string, replace bool) (err error) {
	files, err := e.files()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(directory, 0o750); err != nil {
		return fmt.Errorf("creating the directory: %w", err)
	}
	root, err := os.OpenRoot(directory)
	if err != nil {
		return fmt.Errorf("opening the directory: %w", err)
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	old, err := earlierFiles(root, files, replace)
	if err != nil {
		return err
	}
	for _, name := range old {
		if err := root.Remove(name); err != nil {
			return fmt.Errorf("removing a file of the earlier export: %w", err)
		}
	}
	for name, content := range files {
		if err := writeNew(root, name, content); err != nil {
			return fmt.Errorf("writing %s: %w", name, err)
		}
	}
	return nil
}

// files returns the content of each file by name.
func (e Export) files() (map[string]string, error) {
	files := map[string]string{}
	kustomization := struct {
		APIVersion string   `json:"apiVersion"`
		Kind       string   `json:"kind"`
		Resources  []string `json:"resources"`
	}{"kustomize.config.k8s.io/v1beta1", "Kustomization", []string{}}
	encode := func(name, comment string, object any) error {
		content, err := yaml.Marshal(object)
		if err != nil {
			return fmt.Errorf("encoding %s: %w", name, err)
		}
		files[name] = exportMark + comment + string(content)
		return nil
	}
	for _, m := range e.Manifests {
		name := m.Metadata.Name + ".yaml"
		kustomization.Resources = append(kustomization.Resources, name)
		if err := encode(name, "", m); err != nil {
			return nil, err
		}
	}
	return files, encode(kustomizationFile, comments(e.Summary()), kustomization)
}

// earlierFiles returns the files of an earlier export, which may be removed. The error names a file that stands in the way.
func earlierFiles(root *os.Root, files map[string]string, replace bool) ([]string, error) {
	entries, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return nil, fmt.Errorf("reading the directory: %w", err)
	}
	if len(entries) > 0 && !replace {
		return nil, fmt.Errorf("%s is not empty: name another directory, or replace an earlier export in it with --force", root.Name())
	}
	var old []string
	for _, entry := range entries {
		name := entry.Name()
		content, err := "", error(nil)
		if entry.Type().IsRegular() && strings.HasSuffix(name, ".yaml") {
			content, err = readText(root, name)
		}
		switch _, needed := files[name]; {
		case err != nil:
			return nil, err
		case strings.HasPrefix(content, exportMark):
			old = append(old, name)
		case needed:
			return nil, fmt.Errorf("%s in %s is not a file of an earlier export: move it away", name, root.Name())
		}
	}
	slices.Sort(old)
	return old, nil
}

func readText(root *os.Root, name string) (string, error) {
	content, err := root.ReadFile(name)
	if err != nil {
		return "", fmt.Errorf("reading %s: %w", name, err)
	}
	return string(content), nil
}

// writeNew writes a file that does not exist: what appeared meanwhile is somebody else's.
func writeNew(root *os.Root, name, content string) (err error) {
	file, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	_, err = file.WriteString(content)
	return err
}
