package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/alecthomas/kong"
	"github.com/go-logr/logr"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fitai/fituser-operator/controllers/fituser"
	"github.com/fitai/fituser-operator/internal/budget"
	"github.com/fitai/fituser-operator/internal/clerk"
	"github.com/fitai/fituser-operator/internal/inspect"
	"github.com/fitai/fituser-operator/internal/store"
)

// commandLine is what can be typed: the operator itself, which needs no command, and questions about its work. Questions
// take the operator's settings, so that they are best asked where it runs.
type commandLine struct {
	options

	Version kong.VersionFlag `help:"Print which build this is."`

	Run    struct{}      `cmd:"" default:"1" help:"Run the operator. It is what happens without a command."`
	Status statusCommand `cmd:"" help:"Show how everything is: who leads, which users are not ready and why, who has rights, what is held back."`
	Why    whyCommand    `cmd:"" help:"Show one user in Clerk, in the FitUser and in the table, side by side, and what the operator does next."`
	Plan   planCommand   `cmd:"" help:"Show what a sweep would change now. It changes nothing."`

	// chosen answers the question; nil to run the operator.
	chosen question `kong:"-"`
}

// question is a command that looks and changes nothing.
type question interface {
	answer(ctx context.Context, places *inspect.Inspector, config *rest.Config, stdout io.Writer) error
}

type output struct {
	Output string `short:"o" default:"text" enum:"text, json" help:"Output format: ${enum} (default: ${default})."`
}

// print writes v as JSON if that was asked for, and otherwise as text.
func (o output) print(stdout io.Writer, v any, text func() error) error {
	if o.Output == "text" {
		return text()
	}
	encoder := json.NewEncoder(stdout)
	encoder.SetIndent("", "  ")
	return encoder.Encode(v)
}

type statusCommand struct{ output }

func (c statusCommand) answer(ctx context.Context, places *inspect.Inspector, _ *rest.Config, stdout io.Writer) error {
	status, err := places.Status(ctx)
	if err != nil {
		return err
	}
	return c.print(stdout, status, func() error { return status.Text(stdout, time.Now()) })
}

type whyCommand struct {
	User string `arg:"" help:"Clerk's id (user_…), a FitUser's name, or an e-mail address."`
	output
}

func (c whyCommand) answer(ctx context.Context, places *inspect.Inspector, _ *rest.Config, stdout io.Writer) error {
	why, err := places.Why(ctx, c.User)
	if err != nil {
		return err
	}
	return c.print(stdout, why, func() error { return why.Text(stdout, time.Now()) })
}

// ask answers the question that was chosen.
func (l commandLine) ask(ctx context.Context, getenv func(string) string, stdout io.Writer) error {
	ctrl.SetLogger(logr.Discard()) // the answer is on stdout
	config, err := l.restConfig()
	if err != nil {
		return err
	}
	places, end, err := l.places(config, getenv)
	if err != nil {
		return err
	}
	return errors.Join(l.chosen.answer(ctx, places, config, stdout), end())
}

// places opens the three places for reading. Clerk and the table may be out of reach, as from a person's own machine.
func (l commandLine) places(config *rest.Config, getenv func(string) string) (*inspect.Inspector, func() error, error) {
	scheme, err := apiTypes()
	if err != nil {
		return nil, nil, err
	}
	cluster, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		return nil, nil, fmt.Errorf("making a client: %w", err)
	}
	limit, err := budget.ParseMaxDeletions(l.MaxDeletions)
	if err != nil {
		return nil, nil, fmt.Errorf("--max-deletions: %w", err)
	}
	places := &inspect.Inspector{
		Cluster: cluster, Namespace: l.Namespace, Profile: fituser.ProfileMode(l.StatusProfile),
		MaxDeletions: limit, SyncPeriod: l.SyncPeriod, Clock: clock.RealClock{},
	}
	places.Unavailable = l.openCredentialed(places, getenv)
	return places, func() error {
		if places.Table == nil {
			return nil
		}
		return places.Table.Close()
	}, nil
}

// openCredentialed opens Clerk and the table; the error is why they cannot be asked.
func (l commandLine) openCredentialed(places *inspect.Inspector, getenv func(string) string) error {
	s, err := readSettings(options{Controller: true}, getenv)
	if err != nil {
		return err
	}
	if places.Table, err = store.Open(s.databaseURL.Get(), store.Options{DryRun: true}); err != nil {
		return fmt.Errorf("DATABASE_URL: %w", err)
	}
	places.SecretKey, places.InstanceID = s.secretKey.Get, s.instanceID.Get()
	places.Clerk = clerk.New(clerk.Config{
		URL: s.clerkURL.Get(), Key: s.secretKey.Get, RequestsPerSecond: l.ClerkRateLimit * sweepShare, // the operator needs the rest
	})
	return nil
}
