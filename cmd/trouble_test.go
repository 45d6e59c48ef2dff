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

// trouble is what goes wrong, one after the other, with ordinary life between.
func (s *system) trouble(lasting time.Duration) {
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
		func() { // people who are not as the others are
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
				s.must(s.objects.Create(context.Background(), coach))
				coaches = append(coaches, coach)
			}
		},
		func() { // in the row of somebody who does nothing else: only a sweep finds that
			s.table.Exec("UPDATE users SET role = 'admin', first_name = 'Eve' WHERE id = '" + ids[4] + "'")
		},
		func() { // Clerk is away, then asks for a pause
			end := s.clerk.Inject(clerktest.Fault{Respond: clerktest.Static(http.StatusServiceUnavailable, "", "")})
			s.live(lasting/20, ids)
			end()
			s.clerk.Inject(clerktest.Fault{Times: 1, Respond: clerktest.Throttled(3)})
		},
		func() { s.forge() },
		func() { s.must(s.objects.Delete(context.Background(), coaches[0])) },
		func() {
			for _, id := range ids[5:14] {
				s.clerk.Delete(id)
			}
		},
	}
	for _, step := range steps {
		s.live(lasting/time.Duration(len(steps)+2), ids[14:])
		step()
	}
	s.live(lasting/time.Duration(len(steps)+2), ids[14:])
	s.sweep()
}

// live is ordinary life: now and then somebody changes a name.
func (s *system) live(lasting time.Duration, ids []string) {
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

// forge sends a few webhooks that somebody else has signed.
func (s *system) forge() {
	s.Helper()
	forger, err := clerktest.NewSender(clerktest.SenderConfig{
		URL: "http://" + s.webhooks + "/api/webhooks", Secrets: []string{"whsec_" + strings.Repeat("A1B2", 8)},
	})
	s.must(err)
	for range 4 {
		status, err := forger.Deliver(s.Context(), forger.Message(clerktest.ExampleUpdated()))
		if s.must(err); status != http.StatusBadRequest {
			s.Fatalf("a forged webhook was answered with %d", status)
		}
	}
}

// sweep asks for one.
func (s *system) sweep() {
	s.Helper()
	s.eventually("a sweep is asked for", func() error {
		notes := &corev1.ConfigMap{}
		key := client.ObjectKey{Namespace: s.namespace, Name: state.ConfigMapName}
		if err := s.objects.Get(context.Background(), key, notes); err != nil {
			return err
		}
		metav1.SetMetaDataAnnotation(&notes.ObjectMeta, state.AnnotationSweep, "now")
		return s.objects.Update(context.Background(), notes)
	})
}

func (s *system) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}
