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

// The small installation is one process with SQLite, in the application's namespace and on the application's volume. Both
// remain when the operator is removed.
func TestDeployment_SingleProcessWithSQLite(t *testing.T) {
	w := newWorld(t, "fituser-e2e-small", "controller")
	w.database = "sqlite:/data/users.db"
	w.overlay = w.newOverlay("base", []string{"sqlite", "single-process"}, "FITUSER_CREATE_TABLE=true")
	w.createSecrets()
	w.createVolume()
	w.run([]step{
		{"deployed", func() {
			w.apply()
			w.attach(true)
		}},
		{"a first user", w.firstSmallUser},
		{"the pod killed", w.singlePodKilled},
		{"undeployed", w.smallUndeployed},
	})
}

// volume is the application's claim for a directory of a node.
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
spec: # makes the kubelet create the directory
  nodeName: %[4]s
  restartPolicy: Never
  containers:
    - {name: none, image: %[5]s, args: [--help], volumeMounts: [{name: directory, mountPath: /directory}]}
  volumes:
    - {name: directory, hostPath: {path: %[2]s, type: DirectoryOrCreate}}
`

func (w *world) createVolume() {
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
		w.Logf("the node's files are not on this machine: only the FitUsers show the state of the table")
		return
	}
	w.table = storetest.OpenRaw(w.T, "sqlite:"+filepath.Join(path, "users.db"))
}

// synced waits until a FitUser reports that the row exists, and checks the table where it can be read.
func (w *world) synced(id, name string) {
	w.Helper()
	w.eventually(name+"'s FitUser exists", func() error {
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

func (w *world) singlePodKilled() {
	w.kubectl("delete", "--force", "--grace-period=0", "pods", "-l", "app.kubernetes.io/component=controller")
	joe := w.signUp("Joe")
	w.deliver()
	w.synced(joe, "Joe")
	w.ready()
}

func (w *world) smallUndeployed() {
	w.undeploy()
	if w.table != nil {
		w.nothingIsRemoved()
	}
	if user, _ := w.clerk.User(w.jane); fmt.Sprint(user.PublicMetadata["role"]) != "trainer" {
		w.Errorf("the role in Clerk is %v", user.PublicMetadata["role"])
	}
	left := w.kubectl("get", "namespace/"+w.namespace, "persistentvolumeclaim/fituser-data", "-o", "name")
	if len(strings.Fields(left)) != 2 {
		w.Errorf("of the application only this is left: %s", left)
	}
}
