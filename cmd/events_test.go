package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
	"github.com/fitai/fituser-operator/internal/store/storetest"
	"github.com/fitai/fituser-operator/internal/user"
)

func TestEvents_BecomeFitUsersAndRows(t *testing.T) {
	for name, database := range map[string]func(*testing.T) string{
		"SQLite":     func(t *testing.T) string { return storetest.SQLite(t) },
		"PostgreSQL": func(t *testing.T) string { return postgres.URL(t) },
	} {
		t.Run(name, func(t *testing.T) {
			s := newSystem(t, database(t))
			s.start()
			for i := range scaled(100, 300) {
				id := s.clerk.SignUp(clerktest.Person{Email: fmt.Sprintf("user%d@example.com", i), FirstName: "One"})
				for _, name := range []string{"Two", "Three", "Four", "Five", "Six"} {
					s.clerk.SetNames(id, name, "Quaxelroth")
				}
			}
			s.deliverUnreliably(s.sender.Pending())
			s.eventually("all users are synced", s.synced)
			s.stop()
			for _, canary := range []string{"@example.com", "Quaxelroth", webhookSecret, clerktest.DefaultSecretKey} {
				if strings.Contains(s.logged(), canary) {
					t.Errorf("the log contains %q", canary)
				}
			}
		})
	}
}

func TestEvents_Writes(t *testing.T) {
	s := newSystem(t, storetest.SQLite(t))
	s.start()
	id := s.clerk.SignUp(clerktest.Person{Email: "jane@example.com", FirstName: "Jane"})
	s.deliver()
	s.eventually("the user is synced", s.synced)
	if got := strings.Join(s.writes(id), ", "); got != "create, patch status" {
		t.Errorf("a new user cost: %s", got)
	}

	before, requests := len(s.writes(id)), s.clerk.RequestCount("GET /users/{id}")
	row := s.table.Row(user.ID(id))
	s.clerk.SignIn(id)
	s.sender.Send(clerktest.Event{Type: "user.updated", Data: must(s.clerk.User(id)), InstanceID: clerktest.DefaultInstanceID})
	s.deliver()
	s.eventually("Clerk gets a request", func() error {
		if s.clerk.RequestCount("GET /users/{id}") == requests {
			return fmt.Errorf("not yet")
		}
		return nil
	})
	s.stop() // which finishes what is in progress
	if got := strings.Join(s.writes(id)[before:], ", "); got != "patch" {
		t.Errorf("an event without a change cost: %s", got)
	}
	if s.table.Row(user.ID(id))["updated_at"] != row["updated_at"] || len(s.clerk.Writes()) != 0 {
		t.Error("the row or Clerk was written")
	}
}

// An acknowledged event survives a kill: the next process finds its hint.
func TestEvents_SurviveKillAfterAcknowledgement(t *testing.T) {
	s := newSystem(t, storetest.SQLite(t))
	s.start("FITUSER_CONTROLLER=false")
	s.clerk.SignUp(clerktest.Person{Email: "jane@example.com", FirstName: "Jane"})
	s.deliver()
	s.kill()
	s.start("FITUSER_RECEIVER=false")
	s.eventually("the user is synced", s.synced)
	s.stop()
}

// Svix retries for a day and people resend, so an old message may arrive at any time. Clerk's dashboard sends examples of
// users who never existed.
func TestEvents_OfDeletedAndUnknownUsersLeaveNothing(t *testing.T) {
	s := newSystem(t, storetest.SQLite(t))
	s.start()
	jane := s.clerk.SignUp(clerktest.Person{Email: "jane@example.com", FirstName: "Jane"})
	s.clerk.SignUp(clerktest.Person{Email: "joe@example.com", FirstName: "Joe"})
	created := s.sender.Pending()
	s.deliver()
	s.eventually("both users are synced", s.synced)
	s.clerk.Delete(jane)
	s.deliver()
	s.eventually("one user is left", s.synced)

	for _, message := range created {
		if _, err := s.sender.Deliver(t.Context(), message); err != nil {
			t.Fatal(err)
		}
	}
	for _, example := range []clerktest.Event{
		clerktest.ExampleCreated(), clerktest.ExampleUpdated(), clerktest.ExampleDeleted(), clerktest.ExampleWithoutInstance(),
	} {
		s.sender.Send(example)
	}
	s.deliver()
	s.eventually("one user is left again", s.synced)
	s.stop()
}
