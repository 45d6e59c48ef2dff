CONTROLLER_GEN := go tool -modfile=hack/tools/go.mod controller-gen
REFERENCE := go tool -modfile=hack/tools/go.mod crd-ref-docs
GOLANGCI_LINT := go tool -modfile=hack/tools/golangci-lint/go.mod golangci-lint

# The other modules with code of this project, whose programs the tests run.
MODULES := hack/grafana hack/image test/gitops

# Tests start an API server and etcd. The script finds or builds them before go test runs, so that its progress is visible.
WITH_CONTROLPLANE := assets="$$(hack/controlplane.sh)" && KUBEBUILDER_ASSETS="$$assets"

ALERTS := config/components/prometheus-operator/alerts.yaml

.PHONY: help generate manifests fmt vet lint prose test test-unit test-thorough test-gitops verify build run bench soak fuzz \
	image push install uninstall deploy undeploy test-e2e

help: ## Show this list.
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

generate: ## Generate the API types' deep copies.
	$(CONTROLLER_GEN) object:headerFile=hack/boilerplate.go.txt paths=./api/...

manifests: ## Generate the CustomResourceDefinition and the PrometheusRule into config, and docs/reference.md.
	$(CONTROLLER_GEN) crd paths=./api/... output:crd:dir=config/crd/bases
	@$(REFERENCE) --source-path=./api/v1alpha1 --config=hack/reference.yaml --renderer=markdown --output-path=docs/reference.md --log-level=ERROR
	@{ sed '/^spec:/q' $(ALERTS); sed 's/^./  &/' config/prometheus/rules.yaml; } >$(ALERTS).new && mv $(ALERTS).new $(ALERTS)

fmt: ## Format the Go code.
	go fmt ./...
	@for module in $(MODULES); do go -C $$module fmt ./... || exit; done

vet: ## Run go vet.
	go vet ./...
	@for module in $(MODULES); do go -C $$module vet ./... || exit; done

PROSE := go test -count=1 -v -run '^TestProse_' ./test/prose

lint: ## Run golangci-lint (.golangci.yml) and measure the prose. The first run compiles golangci-lint for some minutes.
	$(GOLANGCI_LINT) run
	@for module in $(MODULES); do \
		LOG_LEVEL=error go -C $$module tool -modfile=$(CURDIR)/hack/tools/golangci-lint/go.mod golangci-lint run || exit; \
	done
	$(PROSE)

prose: ## Count hard-to-read patterns in comments and pages. Fail where other projects have fewer.
	$(PROSE)

test-unit: ## Run the tests that need no control plane, without the race detector. Takes less than a minute once compiled.
	go test -short ./...

# The packages and the tests that `make test` runs: make test PKG=./internal/clerk RUN=Batch
PKG ?= ./...
RUN ?=

test: ## Run the tests of PKG that match RUN (default: all) against a real API server. Only test/scenes goes without the race detector.
	@hack/prometheus.sh >/dev/null
	@$(WITH_CONTROLPLANE) RUN='$(RUN)' hack/test.sh $(PKG)

test-thorough: ## Run the tests of crashes at every call and pair of calls, and of 10,000 events at once. Takes minutes more.
	$(WITH_CONTROLPLANE) FITUSER_TEST_THOROUGH=1 go test -timeout 60m ./cmd ./internal/receiver ./test/scenes

test-gitops: ## Test the GitOps sample and pages with Flux and Argo CD. The first run builds them, about twelve minutes of CPU.
	$(WITH_CONTROLPLANE) FITUSER_TEST_GITOPS=1 go -C test/gitops test -count=1 -timeout 30m ./...

# CHANGES is the number of changes in the fault test. SEED is its random seed, which a failure prints. FOR is the duration of
# the growth test.
CHANGES ?= 20000
SEED ?=
FOR ?= 1h

soak: ## Make CHANGES changes amid faults and check that none is lost. Create and delete users FOR 1h and check for leaks.
	$(WITH_CONTROLPLANE) FITUSER_SOAK_CHANGES=$(CHANGES) FITUSER_SOAK_SEED=$(SEED) FITUSER_SOAK_FOR=$(FOR) go test -run '^TestSoak_(Changes|Growth)$$' -count=1 -v -timeout 6h ./test/soak

FUZZTIME ?= 60s

fuzz: ## Run each fuzz target for FUZZTIME. Commit a failing input in testdata/fuzz together with its fix.
	@set -e; grep -rl --include='*_test.go' '^func Fuzz' api cmd controllers internal | while read -r file; do \
		for target in $$(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\).*/\1/p' "$$file"); do \
			echo "$$target"; go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) "./$$(dirname "$$file")"; \
		done; \
	done

verify: ## Fail if a generated file, the formatting or a go.mod is not up to date.
	hack/verify.sh

build: ## Build bin/manager.
	CGO_ENABLED=0 go build -trimpath -o bin/manager ./cmd

run: ## Run everything on this machine: API server, SQLite, and a stand-in for Clerk unless CLERK_SECRET_KEY is set.
	CGO_ENABLED=0 go build -trimpath -o bin/local ./hack/local
	@exec bin/local

bench: ## Run the benchmarks.
	$(WITH_CONTROLPLANE) go test -run '^$$' -bench . -benchmem ./...

# IMG is the image's name. OVERLAY is one of config/overlays or your own.
IMG ?= controller:dev
ARCH ?= $(shell go env GOARCH)
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null)
OVERLAY ?= config/default
NAMESPACE ?= fituser-system

image: ## Build the container image IMG as bin/image.tar, without Docker, and print its digest.
	CGO_ENABLED=0 GOOS=linux GOARCH=$(ARCH) go build -trimpath -ldflags="-s -w" -o bin/linux-$(ARCH)/manager ./cmd
	@go run -C hack/image . -binary $(CURDIR)/bin/linux-$(ARCH)/manager -tag $(IMG) -version "$(VERSION)" -out $(CURDIR)/bin/image.tar

push: ## Push bin/image.tar as IMG, with the credentials of docker login.
	go -C hack/image tool crane push $(CURDIR)/bin/image.tar $(IMG)

install: ## Install the CustomResourceDefinition into the cluster of the current kubeconfig.
	kubectl apply -k config/crd

uninstall: ## Delete the CustomResourceDefinition and all FitUsers. Run undeploy first.
	kubectl delete -k config/crd --ignore-not-found

deploy: ## Deploy OVERLAY into the cluster of the current kubeconfig.
	kubectl apply -k $(OVERLAY)

undeploy: ## Remove OVERLAY from NAMESPACE, but not the CRD. The processes stop first, so deleting FitUsers revokes no role.
	kubectl -n $(NAMESPACE) delete deployments -l app.kubernetes.io/name=fituser-operator --cascade=foreground --timeout=2m
	kubectl kustomize $(OVERLAY) | awk 'BEGIN { RS = ORS = "---\n" } !/kind: CustomResourceDefinition/' | kubectl delete --ignore-not-found --timeout=5m -f -

test-e2e: ## Test the image IMG on the cluster of the current kubeconfig. The cluster must have the image or be able to pull it.
	E2E_IMAGE=$(IMG) go test -tags e2e -count=1 -timeout 20m -v ./test/e2e
