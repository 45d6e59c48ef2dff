package scenes_test

import (
	"bytes"
	"fmt"
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/runtime"
)

// output records what people may read who must not see users' data: logs at the highest verbosity, events, errors, metrics.
type output struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (s *output) write(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all.WriteString(text)
	s.all.WriteByte('\n')
}

func (s *output) log(_, arguments string) { s.write(arguments) }

// Eventf implements events.EventRecorder.
func (s *output) Eventf(_, _ runtime.Object, _, reason, action, note string, args ...any) {
	s.write(reason + " " + action + " " + fmt.Sprintf(note, args...))
}

func (s *output) metrics(registry *prometheus.Registry) {
	families, err := registry.Gather()
	s.write(fmt.Sprint(families, err))
}

func (s *output) tail() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	const enough = 4000
	return s.all.String()[max(0, s.all.Len()-enough):]
}

// wantNoSecrets searches the scene's output, condition messages and annotations for personal data and the secret key.
func (s *scene) wantNoSecrets() {
	s.Helper()
	s.output.metrics(s.operator.metrics)
	for _, u := range s.objects() {
		for _, condition := range u.Status.Conditions {
			s.output.write(condition.Message)
		}
		s.output.write(fmt.Sprint(u.Annotations))
	}
	text := s.output.all.String()
	s.logBytes += len(text)
	for _, secret := range []string{canary, canaryPhone, testKey()} {
		if at := strings.Index(text, secret); at >= 0 {
			s.Errorf("the output contains %q: %s", secret, text[max(0, at-200):min(len(text), at+100)])
		}
	}
}
