package inspect

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/fitai/fituser-operator/api/v1alpha1"
)

// maxManifests is how many bytes of manifests are read.
const maxManifests = 64 << 20

// Kinds of manifests.
const (
	kindFitUser  = "FitUser"
	kindRoleRule = "RoleRule"
)

// Manifests are the FitUsers and RoleRules of a repository.
type Manifests struct {
	objects []manifest
	// ignored counts the documents of other kinds, elsewhere those in other namespaces.
	ignored, elsewhere int
}

// manifest is one object and where it was read.
type manifest struct {
	source
	kind   string
	object client.Object
}

// source is where a document is.
type source struct {
	file     string
	document int
}

func (s source) fault(format string, args ...any) fault {
	return fault{s, fmt.Sprintf(format, args...)}
}

// fault is what is wrong with a document.
type fault struct {
	source
	message string
}

// ManifestError is returned for manifests that cannot be applied. Its text has a line for every fault.
type ManifestError struct{ faults []fault }

// Error implements error.
func (e *ManifestError) Error() string {
	lines := []string{fmt.Sprintf("the manifests have %s:", plural(len(e.faults), "fault"))}
	for _, f := range e.faults {
		where := f.file
		if f.document > 0 {
			where = fmt.Sprintf("%s, document %d", f.file, f.document)
		}
		lines = append(lines, where+": "+printable(f.message))
	}
	return strings.Join(lines, "\n")
}

// ReadManifests reads the FitUsers and RoleRules of a namespace from a folder and its subfolders, from one file, or from
// stdin where path is "-". The error is a [ManifestError] with every fault.
func ReadManifests(path string, stdin io.Reader, namespace string) (Manifests, error) {
	p := manifestParser{namespace: namespace, seen: map[string]source{}}
	var err error
	if path == "-" {
		err = p.read("stdin", stdin)
	} else {
		err = filepath.WalkDir(path, func(file string, entry fs.DirEntry, err error) error {
			return p.visit(path, file, entry, err)
		})
	}
	if err != nil {
		return Manifests{}, fmt.Errorf("reading the manifests: %w", err)
	}
	if len(p.faults) > 0 {
		return Manifests{}, &ManifestError{p.faults}
	}
	return p.Manifests, nil
}

// manifestParser collects manifests and faults.
type manifestParser struct {
	Manifests
	namespace string
	size      int64
	seen      map[string]source
	faults    []fault
}

// visit reads one entry of a folder. Folders such as .git are left out.
func (p *manifestParser) visit(root, file string, entry fs.DirEntry, err error) error {
	name := filepath.Base(file)
	switch {
	case err != nil:
		return err
	case entry.IsDir() && file != root && strings.HasPrefix(name, "."):
		return filepath.SkipDir
	case entry.IsDir(), file != root && !slices.Contains([]string{".yaml", ".yml", ".json"}, filepath.Ext(name)):
		return nil
	case slices.Contains([]string{"kustomization.yaml", "kustomization.yml", "Kustomization"}, name):
		const advice = "this folder is to be rendered: kubectl kustomize DIR | manager plan --manifests=-"
		p.faults = append(p.faults, source{file: file}.fault(advice))
		return nil
	}
	content, err := os.Open(file) //nolint:gosec // the file that the person names
	if err != nil {
		return err
	}
	return errors.Join(p.read(file, content), content.Close())
}

var errTooLarge = fmt.Errorf("more than %d MiB", maxManifests>>20)

func (p *manifestParser) read(file string, content io.Reader) error {
	limited := &io.LimitedReader{R: content, N: maxManifests - p.size + 1}
	documents := utilyaml.NewYAMLReader(bufio.NewReader(limited))
	for number := 1; ; number++ {
		document, err := documents.Read()
		if p.size = maxManifests + 1 - limited.N; p.size > maxManifests {
			return errTooLarge
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		at := source{file, number}
		text, err := yaml.YAMLToJSONStrict(document)
		if err != nil {
			p.faults = append(p.faults, at.fault("%v", err))
			continue
		}
		if !bytes.Equal(bytes.TrimSpace(text), []byte("null")) {
			p.add(at, text)
		}
	}
}

// header is what every object has.
type header struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Metadata   struct {
		Name      string `json:"name"`
		Namespace string `json:"namespace"`
	} `json:"metadata"`
	Items []json.RawMessage `json:"items"`
}

// add adds the object of a document, or those of a list.
func (p *manifestParser) add(at source, text []byte) {
	var h header
	if err := json.Unmarshal(text, &h); err != nil || h.Kind == "" {
		p.faults = append(p.faults, at.fault("not an object of Kubernetes: want apiVersion, kind and metadata"))
		return
	}
	switch group, _ := schema.ParseGroupVersion(h.APIVersion); {
	case h.isList(group.Group):
		for _, item := range h.Items {
			p.add(at, item)
		}
	case group.Group != v1alpha1.GroupVersion.Group, h.Kind != kindFitUser && h.Kind != kindRoleRule:
		p.ignored++
	case group != v1alpha1.GroupVersion:
		p.faults = append(p.faults, at.fault("unknown version %s: want %s", h.APIVersion, v1alpha1.GroupVersion))
	case h.Metadata.Name == "":
		p.faults = append(p.faults, at.fault("metadata.name is missing"))
	case h.Metadata.Namespace != "" && h.Metadata.Namespace != p.namespace:
		p.elsewhere++
	default:
		p.addObject(at, h, text)
	}
}

// isList reports whether the items of an object of this group may be manifests.
func (h header) isList(group string) bool {
	switch h.Kind {
	case "List":
		return group == ""
	case kindFitUser + "List", kindRoleRule + "List":
		return group == v1alpha1.GroupVersion.Group
	default:
		return false
	}
}

func (p *manifestParser) addObject(at source, h header, text []byte) {
	var object client.Object = &v1alpha1.FitUser{}
	if h.Kind == kindRoleRule {
		object = &v1alpha1.RoleRule{}
	}
	if err := yaml.UnmarshalStrict(text, object); err != nil {
		p.faults = append(p.faults, at.fault("%s %s: %s", h.Kind, h.Metadata.Name, innermost(err)))
		return
	}
	key := h.Kind + " " + h.Metadata.Name
	if first, twice := p.seen[key]; twice {
		p.faults = append(p.faults, at.fault("%s is also in %s, document %d", key, first.file, first.document))
		return
	}
	if u, ok := object.(*v1alpha1.FitUser); ok && (u.Spec.ClerkUserID == "") == (u.Spec.Email == "") {
		p.faults = append(p.faults, at.fault("%s: want exactly one of spec.clerkUserID and spec.email", key))
		return
	}
	p.seen[key] = at
	object.SetNamespace(p.namespace)
	p.objects = append(p.objects, manifest{at, h.Kind, object})
}

// innermost is the part of a decoder's error that is about the document.
func innermost(err error) string {
	text := err.Error()
	if _, detail, found := strings.Cut(text, "json: "); found {
		return detail
	}
	return text
}

// plural returns a number of things.
func plural(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
