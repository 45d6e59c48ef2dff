package scenes_test

import (
	"bytes"
	"fmt"
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/runtime"
)

// said is all that the operator says where people without a right to see users may read: logs at the highest verbosity,
// events, errors, metrics.
type said struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (s *said) write(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all.WriteString(text)
	s.all.WriteByte('\n')
}

func (s *said) log(_, arguments string) { s.write(arguments) }

// Eventf implements events.EventRecorder.
func (s *said) Eventf(_, _ runtime.Object, _, reason, action, note string, args ...any) {
	s.write(reason + " " + action + " " + fmt.Sprintf(note, args...))
}

func (s *said) metrics(registry *prometheus.Registry) {
	families, err := registry.Gather()
	s.write(fmt.Sprint(families, err))
}

func (s *said) tail() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	const enough = 4000
	return s.all.String()[max(0, s.all.Len()-enough):]
}

// secrets looks for what must not be seen in all that was said in this scene, conditions and annotations included.
func (s *scene) secrets() {
	s.Helper()
	s.said.metrics(s.process.metrics)
	for _, u := range s.objects() {
		for _, condition := range u.Status.Conditions {
			s.said.write(condition.Message)
		}
		s.said.write(fmt.Sprint(u.Annotations))
	}
	text := s.said.all.String()
	s.logBytes += len(text)
	for _, secret := range []string{canary, canaryPhone, testKey()} {
		if at := strings.Index(text, secret); at >= 0 {
			s.Errorf("%q is said: %s", secret, text[max(0, at-200):min(len(text), at+100)])
		}
	}
}
