// prometheus and promtool for the tests (see ../prometheus.sh), built from their published module.
module github.com/fitai/fituser-operator/hack/prometheus

go 1.26.7

require github.com/prometheus/prometheus v0.316.0
