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

// staying are the pods that are not about to go.
const staying = `{{range .items}}{{if not .metadata.deletionTimestamp}}pod/{{.metadata.name}} {{end}}{{end}}`

// metrics reads those of every pod as Prometheus does, with an account's token.
func (w *world) metrics() {
	w.kubectl("create", "serviceaccount", "prometheus")
	w.kubectl("create", "clusterrolebinding", prefix+"fituser-prometheus",
		"--clusterrole="+prefix+"fituser-metrics-reader", "--serviceaccount="+w.namespace+":prometheus")
	w.Cleanup(func() { _, _ = w.try("", "delete", "clusterrolebinding", prefix+"fituser-prometheus") })
	token := w.kubectl("create", "token", "prometheus")
	for _, pod := range strings.Fields(w.kubectl("get", "pods", "-o", "go-template="+staying)) {
		address := w.forward(pod)
		if status, _ := get(address, ""); status != http.StatusUnauthorized {
			w.Errorf("%s shows its metrics to anybody: %d", pod, status)
		}
		status, text := get(address, "nobody's")
		w.Logf("%s answers a token that is none with %d %s", pod, status, strings.TrimSpace(text))
		if status == http.StatusOK || strings.Contains(text, "fituser_") {
			w.Errorf("%s shows its metrics to who has no token", pod)
		}
		status, text = get(address, token)
		if status != http.StatusOK || !strings.Contains(text, "\nfituser_") {
			w.Errorf("%s answers %d: %.300s", pod, status, text)
		}
		w.Logf("%s has %d metrics of its own", pod, strings.Count(text, "\nfituser_"))
	}
}

var forwarding = regexp.MustCompile(`Forwarding from 127\.0\.0\.1:(\d+)`)

// forward makes a pod's metrics reachable from here.
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
		w.Fatalf("kubectl port-forward %s says %q: %v", pod, line, err)
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
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, // each pod signs its own
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
