// Package e2e tests the operator on the cluster of the current kubeconfig: deployment, users and roles, killed pods,
// a rollout under load, the documented commands, and removal. The tests need the build tag e2e, see make test-e2e.
//
// Clerk's stand-in and PostgreSQL run on this machine; the pods must reach it. The tests use nothing of the operator's
// internal code but the names of FitUsers. Read e2e_test.go first, which lists the steps.
package e2e
