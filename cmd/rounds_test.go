package main

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
	"github.com/fitai/fituser-operator/internal/testenv"
)

// startMeasured starts the program with its metrics, and returns a function that sums the series of one.
func (s *system) startMeasured(settings ...string) (metric func(name string) float64) {
	s.Helper()
	address := testenv.FreeAddress(s.TB)
	s.start(append(settings, "FITUSER_METRICS_BIND_ADDRESS="+address, "FITUSER_METRICS_SECURE=false")...)
	return func(name string) float64 {
		s.Helper()
		response, err := http.Get("http://" + address + "/metrics")
		if err != nil {
			s.Fatal(err)
		}
		defer func() { _ = response.Body.Close() }()
		sum := 0.0
		for lines := bufio.NewScanner(response.Body); lines.Scan(); {
			if rest, ok := strings.CutPrefix(lines.Text(), name); ok && strings.ContainsAny(rest[:1], "{ ") {
				value, err := strconv.ParseFloat(rest[strings.LastIndex(rest, " ")+1:], 64)
				if err != nil {
					s.Fatal(err)
				}
				sum += value
			}
		}
		return sum
	}
}

// rounds delivers the pending events, and then n times one more event of each user. Each time it waits until all of them are
// reconciled.
func (s *system) rounds(n int, metric func(string) float64) {
	s.Helper()
	for round := range n + 1 {
		if round > 0 {
			for _, u := range s.clerk.Users() {
				s.sender.Send(clerktest.Event{Type: "user.updated", Data: u, InstanceID: clerktest.DefaultInstanceID})
			}
		}
		before, expected := metric("controller_runtime_reconcile_total"), len(s.sender.Pending())
		s.deliver()
		s.eventually("all events of the round are reconciled", func() error {
			done := metric("controller_runtime_reconcile_total") - before
			busy := metric("workqueue_depth") + metric("controller_runtime_active_workers")
			if done < float64(expected) || busy > 0 {
				return fmt.Errorf("%v of %d reconciles are done, %v are busy", done, expected, busy)
			}
			return nil
		})
	}
}

// metadataWrites counts the writes to Clerk by user. A write of anything but metadata is a failure.
func (s *system) metadataWrites() map[string]int {
	s.Helper()
	writes := map[string]int{}
	for _, write := range s.clerk.Writes() {
		if write.Route != "PATCH /users/{id}/metadata" {
			s.Errorf("the operator sent %s", write.Route)
		}
		writes[write.ID]++
	}
	return writes
}

// otherWrites returns the writes to FitUsers in the namespace except hints.
func (s *system) otherWrites() (writes []string) {
	s.Helper()
	all, err := s.env.Writes(s.namespace)
	if err != nil {
		s.Fatal(err)
	}
	for _, w := range all {
		if w.Resource == "fitusers" && (w.Verb != "patch" || w.Subresource != "") {
			writes = append(writes, w.String())
		}
	}
	return writes
}

// wantNoWrites delivers the events of our own writes, and then events without a change, which must cause no write except
// hints.
func (s *system) wantNoWrites(times int, metric func(string) float64) {
	s.Helper()
	objects, inClerk, rows := s.otherWrites(), len(s.clerk.Writes()), s.table.Query("SELECT * FROM users ORDER BY id")
	s.rounds(times, metric)
	if got := s.otherWrites()[len(objects):]; len(got) > 0 {
		s.Errorf("%d writes to FitUsers although all users are synced, such as %s", len(got), got[0])
	}
	if got := s.clerk.Writes()[inClerk:]; len(got) > 0 {
		s.Errorf("%d writes to Clerk although all users are synced, such as %v", len(got), got[0])
	}
	if diff := cmp.Diff(rows, s.table.Query("SELECT * FROM users ORDER BY id")); diff != "" {
		s.Errorf("the table changed although all users are synced:\n%s", diff)
	}
}

func (s *system) wantWritesOfEach(ids []string, want int) {
	s.Helper()
	writes := s.metadataWrites()
	for _, id := range ids {
		if writes[id] != want {
			s.Errorf("%d writes to %s in Clerk, want %d", writes[id], id, want)
		}
	}
}

// rolesAre returns nil when each user has the role in Clerk, in one FitUser and in the row.
func (s *system) rolesAre(ids []string, role v1alpha1.Role) error {
	for _, id := range ids {
		current := must(s.clerk.User(id)).PublicMetadata["role"]
		if granted := current == string(role); granted != (role != "client") {
			return fmt.Errorf("%s has role %v in Clerk", id, current)
		}
	}
	if err := s.synced(); err != nil {
		return err
	}
	var fitUsers v1alpha1.FitUserList
	if err := s.objects.List(context.Background(), &fitUsers, client.InNamespace(s.namespace)); err != nil {
		return err
	}
	for _, u := range fitUsers.Items {
		if u.Status.Role != role {
			return fmt.Errorf("%s has role %s", u.Name, u.Status.Role)
		}
	}
	return nil
}
