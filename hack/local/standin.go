package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
)

// standIn is the stand-in for Clerk, with its listener and its webhook sender.
type standIn struct {
	server        *clerktest.Server
	sender        *clerktest.Sender
	webhookSecret string
	listener      net.Listener
}

// sampleUsers are the users that sign up before the script is printed. Their ids are the same in every run: a database
// from DATABASE_URL outlives the run and then has their rows.
func sampleUsers() []clerktest.Person {
	return []clerktest.Person{
		{
			ID: "user_2localAda", Email: "ada@example.com", FirstName: "Ada", LastName: "Okafor", Phone: "+15550100",
			PublicMetadata: clerktest.Metadata{"role": "admin"}, // as set in Clerk's dashboard
		},
		{ID: "user_2localBen", Email: "ben@example.com", FirstName: "Ben", LastName: "Larsen"},
		{ID: "user_2localChloe", Email: "chloe@example.com", FirstName: "Chloé", LastName: "Martin"},
	}
}

// existingUsers returns n users that exist before the first webhook.
func existingUsers(n int) []clerktest.Person {
	users := make([]clerktest.Person, n)
	for i := range users {
		users[i] = clerktest.Person{
			ID: fmt.Sprintf("user_2local%06d", i+1), Email: fmt.Sprintf("user%06d@example.com", i+1),
			FirstName: "User", LastName: fmt.Sprintf("Number %d", i+1),
		}
	}
	return users
}

// newStandIn returns a stand-in with users that were created without a webhook.
func newStandIn(ctx context.Context, webhookURL string, users []clerktest.Person, c *console) (*standIn, error) {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails
	s := &standIn{
		server:        clerktest.NewServer(clerktest.Config{}),
		webhookSecret: "whsec_" + base64.StdEncoding.EncodeToString(key),
	}
	var err error
	s.sender, err = clerktest.NewSender(clerktest.SenderConfig{
		URL: webhookURL, Secrets: []string{s.webhookSecret}, OnAttempt: func(a clerktest.Attempt) { c.webhook(a) },
	})
	if err != nil {
		return nil, fmt.Errorf("creating the webhook sender: %w", err)
	}
	s.signUp(users)
	s.server.Attach(s.sender)
	s.listener, err = listen(ctx, standInAddress)
	return s, err
}

func (s *standIn) url() string { return "http://" + s.listener.Addr().String() + "/v1" }

func (s *standIn) secretKey() string { return clerktest.DefaultSecretKey }

// signUp signs people up and returns their ids.
func (s *standIn) signUp(people []clerktest.Person) []string {
	ids := make([]string, len(people))
	for i, person := range people {
		ids[i] = s.server.SignUp(person)
	}
	return ids
}

// serve answers requests until ctx ends.
func (s *standIn) serve(ctx context.Context) error {
	server := &http.Server{Handler: s.server, ReadHeaderTimeout: 10 * time.Second}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving the stand-in for Clerk: %w", err)
	}
	return nil
}

// close releases the port when serve was not called.
func (s *standIn) close() { _ = s.listener.Close() }
