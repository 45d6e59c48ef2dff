package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/controllers/fituser"
	"github.com/fitai/fituser-operator/internal/budget"
	"github.com/fitai/fituser-operator/internal/clerk"
	"github.com/fitai/fituser-operator/internal/inspect"
	"github.com/fitai/fituser-operator/internal/settings"
	"github.com/fitai/fituser-operator/internal/state"
	"github.com/fitai/fituser-operator/internal/store"
)

// output is the flag of every command that only reads.
type output struct {
	Output string `short:"o" default:"text" enum:"text, json" help:"Output format: ${enum} (default: ${default})."`
}

// print writes v as JSON if that is the selected format, and otherwise as text.
func (o output) print(stdout io.Writer, v any, text func() error) error {
	if o.Output == "text" {
		return text()
	}
	return printJSON(stdout, v)
}

func printJSON(stdout io.Writer, v any) error {
	encoder := json.NewEncoder(stdout)
	encoder.SetIndent("", "  ")
	return encoder.Encode(v)
}

type statusCommand struct{ output }

// Run implements the command.
func (c statusCommand) Run(ctx context.Context, in invocation) error {
	return in.inspect(func(inspector *inspect.Inspector, _ *rest.Config) error {
		status, err := inspector.Status(ctx)
		if err != nil {
			return err
		}
		return c.print(in.stdout, status, func() error { return status.Text(in.stdout, time.Now()) })
	})
}

type whyCommand struct {
	User string `arg:"" help:"Clerk's id (user_…), a FitUser's name, or an e-mail address."`
	output
}

// Run implements the command.
func (c whyCommand) Run(ctx context.Context, in invocation) error {
	return in.inspect(func(inspector *inspect.Inspector, _ *rest.Config) error {
		why, err := inspector.Why(ctx, c.User)
		if err != nil {
			return err
		}
		return c.print(in.stdout, why, func() error { return why.Text(in.stdout, time.Now()) })
	})
}

// inspect calls do with an inspector, and closes what that needs.
func (in invocation) inspect(do func(*inspect.Inspector, *rest.Config) error) error {
	ctrl.SetLogger(logr.Discard()) // the answer is on stdout
	access, err := in.restConfig()
	if err != nil {
		return err
	}
	b := in.openBackends()
	inspector, err := in.newInspector(access, b)
	if err != nil {
		return errors.Join(err, b.close())
	}
	return errors.Join(do(inspector, access), b.close())
}

func (in invocation) newInspector(access *rest.Config, b backends) (*inspect.Inspector, error) {
	scheme, err := newScheme()
	if err != nil {
		return nil, err
	}
	cluster, err := client.New(access, client.Options{Scheme: scheme})
	if err != nil {
		return nil, fmt.Errorf("creating a client: %w", err)
	}
	limit, err := budget.ParseMaxDeletions(in.MaxDeletions)
	if err != nil {
		return nil, fmt.Errorf("--max-deletions: %w", err)
	}
	operatorState := &state.Store{Client: cluster, Namespace: in.Namespace}
	roles, err := newRoleConfig(in.options, cluster, func(ctx context.Context) (string, error) {
		s, err := operatorState.Read(ctx) // reads only: the operator generates the id
		return cmp.Or(in.OwnerID, s.OwnerID), err
	})
	if err != nil {
		return nil, err
	}
	return &inspect.Inspector{
		Cluster: cluster, Namespace: in.Namespace, Roles: roles, MinProtected: in.MinProtected, Observe: in.Observe, Profile: fituser.ProfileMode(in.StatusProfile),
		Clerk: b.clerk, SecretKey: b.secretKey, InstanceID: b.instanceID, Table: b.table, Unavailable: b.unavailable,
		MaxDeletions: limit, SyncPeriod: in.SyncPeriod, Clock: clock.RealClock{},
		DeletionPolicy: v1alpha1.DeletionPolicy(in.DeletionPolicy), DeletionDelay: in.DeletionDelay,
	}, nil
}

// backends are Clerk and the table, opened for reading.
type backends struct {
	clerk      clerk.Client
	secretKey  func() string
	instanceID string
	table      *store.DB
	// unavailable is the reason why the others are nil, as on a machine that has no credentials.
	unavailable error
}

func (in invocation) openBackends() backends {
	s, err := settings.Read(settings.Parts{Controller: true}, in.getenv)
	if err != nil {
		return backends{unavailable: err}
	}
	table, err := in.openTable(s.DatabaseURL)
	if err != nil {
		return backends{unavailable: err}
	}
	return backends{
		clerk: clerk.New(clerk.Config{
			URL: s.ClerkURL.Get(), Key: s.SecretKey.Get,
			RequestsPerSecond: in.ClerkRateLimit * sweepShare, // the operator needs the rest
			Extra:             furtherFields(table),
		}),
		secretKey: s.SecretKey.Get, instanceID: s.InstanceID.Get(), table: table,
	}
}

// openTable opens the table, as the mapping file describes it, for reading.
func (in invocation) openTable(address *settings.Setting) (*store.DB, error) {
	source, err := in.tableSource(address, store.Options{DryRun: true})
	if err != nil {
		return nil, err
	}
	return source.open(address.Get(), source.config.Get())
}

func (b backends) close() error {
	if b.table == nil {
		return nil
	}
	return b.table.Close()
}
