//go:build e2e

package e2e

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"regexp"
	"strings"
	"time"
)

// livePods selects the pods that are not terminating.
const livePods = `{{range .items}}{{if not .metadata.deletionTimestamp}}pod/{{.metadata.name}} {{end}}{{end}}`

// metrics reads the metrics of every pod as Prometheus does, with the token of a service account.
func (w *world) metrics() {
	w.kubectl("create", "serviceaccount", "prometheus")
	w.kubectl("create", "clusterrolebinding", prefix+"fituser-prometheus",
		"--clusterrole="+prefix+"fituser-metrics-reader", "--serviceaccount="+w.namespace+":prometheus")
	w.Cleanup(func() { _, _ = w.try("", "delete", "clusterrolebinding", prefix+"fituser-prometheus") })
	token := w.kubectl("create", "token", "prometheus")
	for _, pod := range strings.Fields(w.kubectl("get", "pods", "-o", "go-template="+livePods)) {
		address := w.forward(pod)
		if status, _ := get(address, ""); status != http.StatusUnauthorized {
			w.Errorf("%s returned %d without a token", pod, status)
		}
		status, text := get(address, "invalid")
		w.Logf("%s returned %d %s for an invalid token", pod, status, strings.TrimSpace(text))
		if status == http.StatusOK || strings.Contains(text, "fituser_") {
			w.Errorf("%s returned metrics for an invalid token", pod)
		}
		status, text = get(address, token)
		if status != http.StatusOK || !strings.Contains(text, "\nfituser_") {
			w.Errorf("%s returned %d: %.300s", pod, status, text)
		}
		w.Logf("%s has %d metrics of the operator", pod, strings.Count(text, "\nfituser_"))
	}
}

var forwarding = regexp.MustCompile(`Forwarding from 127\.0\.0\.1:(\d+)`)

// forward forwards a local port to a pod's metrics.
func (w *world) forward(pod string) (address string) {
	w.Helper()
	command := exec.Command("kubectl", "-n", w.namespace, "port-forward", "--address", "127.0.0.1", pod, ":metrics")
	out, err := command.StdoutPipe()
	if err != nil {
		w.Fatal(err)
	}
	if err := command.Start(); err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	port := forwarding.FindStringSubmatch(line)
	if port == nil {
		w.Fatalf("kubectl port-forward %s printed %q: %v", pod, line, err)
	}
	return fmt.Sprintf("https://127.0.0.1:%s/metrics", port[1])
}

func get(address, token string) (status int, text string) {
	request, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		return 0, err.Error()
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	client := &http.Client{Timeout: 15 * time.Second, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, // pods have self-signed certificates
	}}
	response, err := client.Do(request)
	if err != nil {
		return 0, err.Error()
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, err.Error()
	}
	return response.StatusCode, string(body)
}
