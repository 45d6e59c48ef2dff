// Package gitops tests config/samples/gitops, docs/gitops.md and docs/argocd with the tools themselves: Flux's
// kustomize-controller, Argo CD's engine and health checks, kubectl, and the library of kstatus. The operator is a process.
//
// It is a module of its own, with the operator's Kubernetes modules. The folders flux and argo are modules too: Flux and
// Argo CD bring dependencies of their own and take minutes to build, so make test-gitops runs their tests.
//
// Read setup_test.go first (control plane and operator), then repository_test.go (Git), flux_test.go, argo_test.go,
// health_test.go and docs_test.go.
package gitops
