//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fitai/fituser-operator/internal/fitusers"
	"github.com/fitai/fituser-operator/internal/store/storetest"
)

// TestSQLiteInOneProcess is the small installation: one process in the application's namespace, on the application's
// volume, which both stay when the operator goes.
func TestSQLiteInOneProcess(t *testing.T) {
	w := newWorld(t, "fituser-e2e-small", "controller")
	w.database = "sqlite:/data/users.db"
	w.overlay = w.newOverlay("base", []string{"sqlite", "single-process"}, "FITUSER_CREATE_TABLE=true")
	w.makeSecrets()
	w.makeVolume()
	w.through([]step{
		{"deployed", func() {
			w.apply()
			w.attach(true)
		}},
		{"a first user", w.firstSmallUser},
		{"the pod killed", w.onlyPodKilled},
		{"undeployed", w.smallUndeployed},
	})
}

// volume is a directory of a node, as the application's claim.
const volume = `
apiVersion: v1
kind: PersistentVolume
metadata: {name: e2e-fituser-data}
spec:
  capacity: {storage: 1Gi}
  accessModes: [ReadWriteOnce]
  storageClassName: ""
  claimRef: {namespace: %[1]s, name: fituser-data}
  local: {path: %[2]s}
  nodeAffinity:
    required:
      nodeSelectorTerms:
        - matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [%[3]s]}]
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: fituser-data, namespace: %[1]s}
spec: {accessModes: [ReadWriteOnce], storageClassName: "", volumeName: e2e-fituser-data, resources: {requests: {storage: 1Gi}}}
---
apiVersion: v1
kind: Pod
metadata: {name: directory, namespace: %[1]s}
spec: # has the kubelet make the directory
  nodeName: %[4]s
  restartPolicy: Never
  containers:
    - {name: none, image: %[5]s, args: [--help], volumeMounts: [{name: directory, mountPath: /directory}]}
  volumes:
    - {name: directory, hostPath: {path: %[2]s, type: DirectoryOrCreate}}
`

func (w *world) makeVolume() {
	w.Helper()
	path := filepath.Join(os.TempDir(), fmt.Sprintf("fituser-e2e-%d", os.Getpid()))
	node := w.kubectl("get", "nodes", "-o", "jsonpath={.items[0].metadata.name}")
	host := w.kubectl("get", "nodes", "-o", `jsonpath={.items[0].metadata.labels.kubernetes\.io/hostname}`)
	w.Cleanup(func() {
		_, _ = w.try("", "delete", "persistentvolume", "e2e-fituser-data", "--ignore-not-found", "--wait=false")
		_ = os.RemoveAll(path)
	})
	w.kubectlWith(fmt.Sprintf(volume, w.namespace, path, host, node, os.Getenv("E2E_IMAGE")), "apply", "-f", "-")
	w.kubectl("wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/directory", "--timeout=60s")
	w.kubectl("delete", "pod", "directory")
	if _, err := os.Stat(path); err != nil {
		w.Logf("the node's files are not this machine's: the FitUsers alone say what is in the table")
		return
	}
	w.table = storetest.OpenRaw(w.T, "sqlite:"+filepath.Join(path, "users.db"))
}

// synced waits until a FitUser says that the row is there, and the table says so, where it can be seen.
func (w *world) synced(id, name string) {
	w.Helper()
	w.eventually(name+"'s FitUser is there", func() error {
		_, err := w.try("", "get", "fituser", fitusers.NameFor(id, 0))
		return err
	})
	w.kubectl("wait", "--for=condition=DatabaseSynced", "fituser/"+fitusers.NameFor(id, 0), "--timeout=60s")
	if w.table != nil {
		if err := w.row(id, "first_name", name); err != nil {
			w.Error(err)
		}
	}
}

func (w *world) firstSmallUser() {
	w.jane = w.signUp("Jane")
	w.deliver()
	w.synced(w.jane, "Jane")
	w.kubectlWith(coach(w.jane), "apply", "-f", "-")
	w.kubectl("wait", "--for=jsonpath={.status.role}=trainer", "fituser/coach", "--timeout=60s")
}

func (w *world) onlyPodKilled() {
	w.kubectl("delete", "--force", "--grace-period=0", "pods", "-l", "app.kubernetes.io/component=controller")
	joe := w.signUp("Joe")
	w.deliver()
	w.synced(joe, "Joe")
	w.ready()
}

func (w *world) smallUndeployed() {
	w.undeploy()
	if w.table != nil {
		w.nothingGoes()
	}
	if user, _ := w.clerk.User(w.jane); fmt.Sprint(user.PublicMetadata["role"]) != "trainer" {
		w.Errorf("the role in Clerk is %v", user.PublicMetadata["role"])
	}
	left := w.kubectl("get", "namespace/"+w.namespace, "persistentvolumeclaim/fituser-data", "-o", "name")
	if len(strings.Fields(left)) != 2 {
		w.Errorf("of the application's there is %s", left)
	}
}
