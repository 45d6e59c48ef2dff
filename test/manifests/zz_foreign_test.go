package manifests_test

import (
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

func TestForeign(t *testing.T) {
	env := cluster(t)
	if _, err := envtest.InstallCRDs(env.config, envtest.CRDInstallOptions{Paths: []string{"/tmp/crds/c"}}); err != nil {
		t.Fatal(err)
	}
	c := clientFor(t, env.config)
	n := 0
	for name, objects := range rendered(t) {
		for _, o := range objects {
			if o.GetKind() == "ServiceMonitor" || o.GetKind() == "HTTPRoute" {
				n++
				if err := dryRun(t, c, o); err != nil {
					t.Errorf("%s %s: %v", name, identity(o), err)
				}
			}
		}
	}
	t.Log(n)
}
