package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
	"github.com/fitai/fituser-operator/internal/state"
)

// incidents causes one incident after the other, with ordinary changes between them.
func (s *system) incidents(lasting time.Duration) {
	s.Helper()
	for i := range 200 {
		s.clerk.SignUp(clerktest.Person{Email: fmt.Sprintf("user%d@example.com", i), FirstName: "User"})
	}
	ids := make([]string, 0, 200)
	for _, u := range s.clerk.Users() {
		ids = append(ids, u.ID)
	}
	var coaches []*v1alpha1.FitUser
	steps := []func(){
		func() { // unusual users
			s.clerk.SignUp(clerktest.Person{Email: "ada@example.com", PublicMetadata: clerktest.Metadata{"role": "admin"}})
			s.clerk.SignUp(clerktest.Person{Email: "odd@example.com", PublicMetadata: clerktest.Metadata{"role": "owner"}})
			s.clerk.SignUp(clerktest.Person{Phone: "+15550111"})
		},
		func() { // manifests
			for i, id := range ids[:3] {
				coach := &v1alpha1.FitUser{
					ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("coach-%d", i), Namespace: s.namespace},
					Spec:       v1alpha1.FitUserSpec{ClerkUserID: id, Role: "trainer"},
				}
				ok(s, s.objects.Create(context.Background(), coach))
				coaches = append(coaches, coach)
			}
		},
		func() { // in the row of a user without events: only a sweep finds it
			s.table.Exec("UPDATE users SET role = 'admin', first_name = 'Eve' WHERE id = '" + ids[4] + "'")
		},
		func() { // Clerk is unavailable, then throttles
			end := s.clerk.Inject(clerktest.Fault{Respond: clerktest.Static(http.StatusServiceUnavailable, "", "")})
			s.changeNames(lasting/20, ids)
			end()
			s.clerk.Inject(clerktest.Fault{Times: 1, Respond: clerktest.Throttled(3)})
		},
		func() { s.forge() },
		func() { ok(s, s.objects.Delete(context.Background(), coaches[0])) },
		func() {
			for _, id := range ids[5:14] {
				s.clerk.Delete(id)
			}
		},
	}
	for _, step := range steps {
		s.changeNames(lasting/time.Duration(len(steps)+2), ids[14:])
		step()
	}
	s.changeNames(lasting/time.Duration(len(steps)+2), ids[14:])
	s.sweep()
}

// changeNames changes a name every second.
func (s *system) changeNames(lasting time.Duration, ids []string) {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), lasting)
	defer cancel()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for round := 0; ; round++ {
		s.clerk.SetNames(ids[round%len(ids)], "User", fmt.Sprint(round))
		s.deliver()
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// forge sends a few webhooks with a wrong signature.
func (s *system) forge() {
	s.Helper()
	forger, err := clerktest.NewSender(clerktest.SenderConfig{
		URL: "http://" + s.webhooks + "/api/webhooks", Secrets: []string{"whsec_" + strings.Repeat("A1B2", 8)},
	})
	ok(s, err)
	for range 4 {
		status, err := forger.Deliver(s.Context(), forger.Message(clerktest.ExampleUpdated()))
		if ok(s, err); status != http.StatusBadRequest {
			s.Fatalf("the response to a forged webhook is %d", status)
		}
	}
}

// sweep requests a sweep.
func (s *system) sweep() {
	s.Helper()
	s.eventually("a sweep is requested", func() error {
		configMap := &corev1.ConfigMap{}
		key := client.ObjectKey{Namespace: s.namespace, Name: state.ConfigMapName}
		if err := s.objects.Get(context.Background(), key, configMap); err != nil {
			return err
		}
		metav1.SetMetaDataAnnotation(&configMap.ObjectMeta, state.AnnotationSweep, "now")
		return s.objects.Update(context.Background(), configMap)
	})
}
