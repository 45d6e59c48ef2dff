// What checks the dashboard, pinned; apart from the operator's own dependencies.
module github.com/fitai/fituser-operator/hack/grafana

go 1.26.0

require github.com/grafana/grafana-foundation-sdk/go v0.0.22
