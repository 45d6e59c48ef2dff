package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"golang.org/x/sync/errgroup"

	"github.com/fitai/fituser-operator/internal/testenv"
)

// sandbox is everything that one run starts.
type sandbox struct {
	settings settings
	console  *console

	tree      tree
	state     *state
	cluster   *testenv.Environment
	addresses addresses
	clerk     *standIn // nil with the real Clerk
}

// run starts everything, and stops it when ctx ends or when a part fails.
func (s *sandbox) run(ctx context.Context, stateDir string) error {
	defer context.AfterFunc(ctx, s.console.stopEvents)()
	err := s.start(ctx, stateDir)
	if ctx.Err() != nil {
		err = nil // interrupted work is not a failure
	}
	err = errors.Join(err, s.stop())
	if err == nil {
		s.console.printf("stopped")
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
	if s.state, err = lockState(stateDir); err != nil {
		return err
	}
	s.console.printf("emptied %s: every run starts from nothing", s.state.dir)
	s.console.printf("building the operator, bin/manager")
	if err := s.tree.build(ctx); err != nil {
		return err
	}
	s.console.printf("starting the API server and etcd")
	if s.cluster, err = testenv.Start(ctx, testenv.Options{CRDDir: s.tree.path("config/crd/bases")}); err != nil {
		return err
	}
	if s.addresses, err = freeAddresses(ctx); err != nil {
		return err
	}
	if s.settings.standIn() {
		s.console.printf("starting the stand-in for Clerk with %d users", s.settings.users)
		if s.clerk, err = newStandIn(ctx, s.addresses.webhookURL(), existingUsers(s.settings.users), s.console); err != nil {
			return err
		}
	}
	if err := s.writeFiles(); err != nil {
		return err
	}
	return s.serve(ctx)
}

// writeFiles writes the files that the printed commands need.
func (s *sandbox) writeFiles() error {
	return errors.Join(
		s.state.write(kubeconfigFile, s.cluster.Kubeconfig),
		s.state.linkTool("kubectl", s.cluster.Assets),
		s.state.writeRows(s.databaseURL(), s.settings.get("FITUSER_TABLE_CONFIG")),
		s.state.writeManager(s.operator(io.Discard)),
	)
}

func (s *sandbox) databaseURL() string {
	if s.settings.databaseURL != "" {
		return s.settings.databaseURL
	}
	return "sqlite:" + s.state.path(tableFile)
}

// serve runs all parts until ctx ends. When one part fails, all stop.
func (s *sandbox) serve(ctx context.Context) error {
	log, err := s.state.create(logFile)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }() // unbuffered: closing cannot lose data
	parts, ctx := errgroup.WithContext(ctx)
	if s.clerk != nil {
		parts.Go(func() error { return s.clerk.serve(ctx) })
		parts.Go(func() error { return s.clerk.sender.Run(ctx) })
	}
	s.console.printf("starting the operator")
	parts.Go(func() error { return s.operator(io.MultiWriter(log, s.console.operatorLog())).run(ctx) })
	parts.Go(func() error { return s.prepare(ctx) })
	return parts.Wait()
}

// prepare waits until the operator is ready and the users are in sync, and then prints the script.
func (s *sandbox) prepare(ctx context.Context) error {
	err := waitFor(ctx, "the operator is not ready", s.addresses.checkReady)
	many := false
	if err == nil && (s.clerk == nil || s.settings.users > 0) {
		many, err = s.importUsers(ctx)
	}
	if err == nil && s.clerk != nil {
		err = s.signUpSamples(ctx)
	}
	if err != nil {
		return fmt.Errorf("%w (the operator's log is %s)", err, s.state.path(logFile))
	}
	text, err := s.script(many).render()
	if err != nil {
		return err
	}
	s.console.printScript(text)
	return nil
}

// manyUsers is the largest number of users that a list shows in full.
const manyUsers = 100

// importUsers waits until the operator has imported Clerk's existing users, and reports whether there are many. When the
// import does not end, it prints that and continues: the commands of the script show best what is wrong.
func (s *sandbox) importUsers(ctx context.Context) (many bool, err error) {
	s.console.printf("importing Clerk's existing users")
	p, err := s.followImport(ctx)
	if err != nil {
		return false, err
	}
	s.console.printf("%s", p.summary())
	return p.expected > manyUsers, nil
}

// signUpSamples signs users up in the stand-in and waits until their FitUsers are ready.
func (s *sandbox) signUpSamples(ctx context.Context) error {
	s.console.printf("signing up %d users in the stand-in", len(sampleUsers()))
	users, err := newUsers(s.cluster.Config)
	if err != nil {
		return err
	}
	ids := s.clerk.signUp(sampleUsers())
	return waitFor(ctx, "not all users are ready", func(ctx context.Context) error { return users.checkReady(ctx, ids) })
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

// stop stops what serve has not already stopped.
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
