package soak

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"os"
	"strings"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// canaries are contained in every e-mail address, name, phone number, signing secret and secret key of the test.
func canaries() []string {
	return []string{canary, strings.ToLower(canary), "+88213", "%2B88213", base64.StdEncoding.EncodeToString([]byte(canary))[:12]}
}

// leak returns the first canary in a text, or "".
func leak(text string) string {
	for _, c := range canaries() {
		if strings.Contains(text, c) {
			return c
		}
	}
	return ""
}

// leaks lists where canaries are found outside of spec, status.profile and the table.
func (w *world) leaks() (found []string) {
	w.Helper()
	for _, m := range w.managers {
		found = append(found, w.leaksInLog(m)...)
	}
	found = append(found, w.leaksInMetrics()...)
	var events eventsv1.EventList
	w.check(w.objects.List(w.Context(), &events, client.InNamespace(w.namespace)))
	for _, e := range events.Items {
		if c := leak(e.Note + e.Reason + e.Action + e.Name); c != "" {
			found = append(found, fmt.Sprintf("%s in the event %s", c, e.Name))
		}
	}
	var configMaps corev1.ConfigMapList
	w.check(w.objects.List(w.Context(), &configMaps, client.InNamespace(w.namespace)))
	for _, n := range configMaps.Items {
		if c := leak(fmt.Sprint(n.Data, n.Annotations)); c != "" {
			found = append(found, fmt.Sprintf("%s in the ConfigMap %s", c, n.Name))
		}
	}
	fitUsers, err := w.fitUsers()
	w.check(err)
	for _, u := range fitUsers {
		if c := leak(fmt.Sprint(u.Status.Conditions, u.Annotations, u.Labels)); c != "" {
			found = append(found, fmt.Sprintf("%s in the conditions or annotations of %s", c, u.Name))
		}
	}
	return found
}

func (w *world) leaksInMetrics() (found []string) {
	for _, m := range w.managers {
		text, _ := fetch("http://" + m.metrics + "/metrics") // a stopped manager has no metrics
		if c := leak(text); c != "" {
			found = append(found, fmt.Sprintf("%s in the metrics of %s", c, m.name))
		}
	}
	return found
}

func (w *world) leaksInLog(m *manager) (found []string) {
	w.Helper()
	w.eachLine(m, func(line string) {
		if c := leak(line); c != "" {
			found = append(found, fmt.Sprintf("%s in the log of %s: %s", c, m.name, line))
		}
	})
	return found
}

// crashes returns the log lines of panics and data races.
func (w *world) crashes() (found []string) {
	w.Helper()
	for _, m := range w.managers {
		w.eachLine(m, func(line string) {
			if strings.HasPrefix(line, "panic:") || strings.Contains(line, "DATA RACE") || strings.Contains(line, "Observed a panic") {
				found = append(found, m.name+": "+line)
			}
		})
	}
	return found
}

func (w *world) eachLine(m *manager, visit func(line string)) {
	w.Helper()
	log, err := os.Open(m.log.Name())
	w.check(err)
	defer func() { _ = log.Close() }()
	lines := bufio.NewScanner(log)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		visit(lines.Text())
	}
	w.check(lines.Err())
}
