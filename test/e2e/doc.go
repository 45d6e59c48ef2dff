// Package e2e deploys the operator on the cluster of the current kubeconfig and uses it as its people do: from kubectl
// apply to the row in PostgreSQL, through killed pods, a roll-out under load, and the way out. Its tests are behind the
// build tag e2e, see make test-e2e.
//
// Clerk's stand-in and PostgreSQL run on this machine, which the pods must reach. Nothing here looks into the operator's
// own code.
package e2e
