package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"golang.org/x/sync/errgroup"

	"github.com/fitai/fituser-operator/internal/testenv"
)

// sandbox is all that one run starts.
type sandbox struct {
	settings settings
	console  *console

	tree      tree
	state     *state
	cluster   *testenv.Environment
	addresses addresses
	clerk     *standIn // nil where Clerk itself is used
}

// run starts everything and returns when ctx has ended and everything with it, or with what went wrong.
func (s *sandbox) run(ctx context.Context, stateDir string) error {
	defer context.AfterFunc(ctx, s.console.conclude)()
	err := s.start(ctx, stateDir)
	if ctx.Err() != nil {
		err = nil // asked to stop: what that interrupted is no failure
	}
	err = errors.Join(err, s.stop())
	if err == nil {
		s.console.say("stopped")
	}
	return err
}

func (s *sandbox) start(ctx context.Context, stateDir string) (err error) {
	if s.tree, err = findTree(ctx); err != nil {
		return err
	}
	if stateDir == "" {
		stateDir = s.tree.path(".local")
	}
	if s.state, err = claim(stateDir); err != nil {
		return err
	}
	s.console.say("starting clean, as every time: %s was emptied", s.state.dir)
	s.console.say("building the operator, bin/manager")
	if err := s.tree.build(ctx); err != nil {
		return err
	}
	s.console.say("starting the API server and etcd")
	if s.cluster, err = testenv.Start(ctx, testenv.Options{CRDDir: s.tree.path("config/crd/bases")}); err != nil {
		return err
	}
	if s.addresses, err = freeAddresses(ctx); err != nil {
		return err
	}
	if s.settings.standIn() {
		s.console.say("starting the stand-in for Clerk, with %d users", s.settings.users)
		if s.clerk, err = newStandIn(ctx, s.addresses.webhookURL(), crowd(s.settings.users), s.console); err != nil {
			return err
		}
	}
	if err := s.furnish(); err != nil {
		return err
	}
	return s.serve(ctx)
}

// furnish fills the state directory with what the commands printed need.
func (s *sandbox) furnish() error {
	return errors.Join(
		s.state.write(kubeconfigFile, s.cluster.Kubeconfig),
		s.state.linkTool("kubectl", s.cluster.Assets),
		s.state.writeRows(s.databaseURL()),
		s.state.writeManager(s.operator(io.Discard)),
	)
}

func (s *sandbox) databaseURL() string {
	if s.settings.databaseURL != "" {
		return s.settings.databaseURL
	}
	return "sqlite:" + s.state.path(tableFile)
}

// serve runs what runs until ctx ends. When one part fails, all end.
func (s *sandbox) serve(ctx context.Context) error {
	log, err := s.state.create(logFile)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }() // written without a buffer: nothing is left to lose
	parts, ctx := errgroup.WithContext(ctx)
	if s.clerk != nil {
		parts.Go(func() error { return s.clerk.serve(ctx) })
		parts.Go(func() error { return s.clerk.sender.Run(ctx) })
	}
	s.console.say("starting the operator")
	parts.Go(func() error { return s.operator(io.MultiWriter(log, s.console.follow())).run(ctx) })
	parts.Go(func() error { return s.introduce(ctx) })
	return parts.Wait()
}

// introduce waits until there is something to show, and shows it.
func (s *sandbox) introduce(ctx context.Context) error {
	err := await(ctx, "the operator is not ready", s.addresses.checkReady)
	many := false
	if err == nil && (s.clerk == nil || s.settings.users > 0) {
		many, err = s.importUsers(ctx)
	}
	if err == nil && s.clerk != nil {
		err = s.populate(ctx)
	}
	if err != nil {
		return fmt.Errorf("%w (the operator's log is %s)", err, s.state.path(logFile))
	}
	text, err := s.script(many).render()
	if err != nil {
		return err
	}
	s.console.introduce(text)
	return nil
}

// manyUsers are more than anybody wants to see in a list.
const manyUsers = 100

// importUsers waits until the operator has brought those who are in Clerk already everywhere, and reports whether they
// are many. Where it cannot, it says so and goes on: what can be tried shows best what is wrong.
func (s *sandbox) importUsers(ctx context.Context) (many bool, err error) {
	s.console.say("importing the users that Clerk has")
	p, err := s.followImport(ctx)
	if err != nil {
		return false, err
	}
	s.console.say("%s", p.conclusion())
	return p.expected > manyUsers, nil
}

// populate signs people up in the stand-in and waits until the operator has brought them everywhere.
func (s *sandbox) populate(ctx context.Context) error {
	s.console.say("signing %d users up in the stand-in", len(people()))
	users, err := newUsers(s.cluster.Config)
	if err != nil {
		return err
	}
	ids := s.clerk.signUp(people())
	return await(ctx, "not all users have arrived", func(ctx context.Context) error { return users.checkReady(ctx, ids) })
}

func (s *sandbox) script(many bool) script {
	text := script{
		Tools: s.state.path(toolsDir), Kubeconfig: s.state.path(kubeconfigFile), Log: s.state.path(logFile),
		WebhookAddress: s.addresses.webhook, WebhookURL: s.addresses.webhookURL(), MetricsURL: s.addresses.metricsURL(),
		Receiver: s.receiver(), Table: "the one that DATABASE_URL names",
		Many: many,
	}
	if s.settings.databaseURL == "" {
		text.Table = s.state.path(tableFile)
	}
	if s.clerk != nil {
		text.ClerkURL, text.SecretKey = s.clerk.url(), s.clerk.secretKey()
	}
	return text
}

// stop ends what serve has not already ended.
func (s *sandbox) stop() error {
	var err error
	if s.clerk != nil {
		s.clerk.close()
	}
	if s.cluster != nil {
		err = s.cluster.Stop()
	}
	if s.state != nil {
		err = errors.Join(err, s.state.release())
	}
	return err
}
