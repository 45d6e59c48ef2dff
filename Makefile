CONTROLLER_GEN := go tool -modfile=hack/tools/go.mod controller-gen
GOLANGCI_LINT := go tool -modfile=hack/tools/golangci-lint/go.mod golangci-lint

# The API server and etcd that tests start, found or built first so that its progress is seen.
WITH_CONTROLPLANE := assets="$$(hack/controlplane.sh)" && KUBEBUILDER_ASSETS="$$assets"

.PHONY: help generate manifests fmt vet lint test verify build run bench

help: ## Show this list.
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

generate: ## Generate the API types' deep copies.
	$(CONTROLLER_GEN) object:headerFile=hack/boilerplate.go.txt paths=./api/...

manifests: ## Generate the CustomResourceDefinition into config/crd/bases.
	$(CONTROLLER_GEN) crd paths=./api/... output:crd:dir=config/crd/bases

fmt: ## Format the Go code.
	go fmt ./...

vet: ## Run go vet.
	go vet ./...

lint: ## Run golangci-lint (.golangci.yml); its first compile takes some minutes.
	$(GOLANGCI_LINT) run

test: ## Run all tests against a real API server, with the race detector.
	$(WITH_CONTROLPLANE) go test -race ./...

verify: ## Fail where a generated file, the formatting or go.mod is not up to date.
	hack/verify.sh

build: ## Build bin/manager.
	CGO_ENABLED=0 go build -trimpath -o bin/manager ./cmd

run: ## Run everything on this machine: API server, SQLite, and a stand-in for Clerk unless CLERK_SECRET_KEY is set.
	CGO_ENABLED=0 go build -trimpath -o bin/local ./hack/local
	@exec bin/local

bench: ## Run the benchmarks.
	$(WITH_CONTROLPLANE) go test -run '^$$' -bench . -benchmem ./...
