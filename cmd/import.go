package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fitai/fituser-operator/internal/clerk"
	"github.com/fitai/fituser-operator/internal/importer"
	"github.com/fitai/fituser-operator/internal/inspect"
	"github.com/fitai/fituser-operator/internal/settings"
	"github.com/fitai/fituser-operator/internal/state"
	"github.com/fitai/fituser-operator/internal/store"
	"github.com/fitai/fituser-operator/internal/user"
)

type importCommand struct {
	Yes            bool   `help:"Create the users, and give their rows the keys. Without it the command shows what it would do."`
	DryRun         bool   `help:"Only show what the command would do. This is the default."`
	PasswordColumn string `placeholder:"COLUMN" help:"Column of hashed passwords, which go along. Default: none, no password is read."`
	Limit          int    `placeholder:"N" help:"Create at most this many users. Default: all."`
	Unverified     bool   `help:"Create the addresses as unverified ones, which the first sign-in verifies: for an application that never verified them."`
	Markers        *bool  `negatable:"" help:"Mark roles as granted by this installation: the operator revokes those that no manifest and no RoleRule desires. With --no-markers they stay as roles that somebody set in Clerk. Where rows have roles, --yes needs one of the two."`
	Manifests      string `placeholder:"DIR" help:"Write a manifest for each user who would be created with a role, to be applied before the import."`
	Export         string `placeholder:"FILE" help:"Write the users who would be created as the input of Clerk's own tool (clerk migrate import). The file contains addresses and hashed passwords."`
	output
}

// Help describes what the flags do not.
func (importCommand) Help() string {
	return "Rows whose key is no Clerk id become users in Clerk, with external_id as the key of the row, and then get the Clerk id as their " +
		"key where the mapping has it so. Stopped at any point and started again, the command goes on where it stopped. It needs the " +
		"operator's settings, and writes also where the operator runs with --observe. Exit status: 0, also when rows cannot go; 1 for an " +
		"error or an import that stopped early."
}

// errStopped ends the command after it has printed the report of an import that stopped early.
const errStopped statusError = 1

// check rejects flags that contradict each other.
func (c importCommand) check() error {
	switch {
	case c.Yes && c.DryRun:
		return errors.New("--yes and --dry-run contradict each other")
	case c.Yes && (c.Export != "" || c.Manifests != ""):
		return errors.New("--export and --manifests write files for before the import: run them without --yes")
	case c.Limit < 0:
		return fmt.Errorf("--limit is %d: want 0 or more", c.Limit)
	default:
		return nil
	}
}

// Run implements the command.
func (c importCommand) Run(ctx context.Context, in invocation) error {
	ctrl.SetLogger(logr.Discard()) // the answer is on stdout
	if err := c.check(); err != nil {
		return err
	}
	s, err := settings.Read(settings.Parts{Controller: true}, in.getenv)
	if err != nil {
		return err
	}
	source, err := in.tableSource(s.DatabaseURL, store.Options{DryRun: !c.Yes})
	if err != nil {
		return err
	}
	table, err := source.open(s.DatabaseURL.Get(), source.config.Get())
	if err != nil {
		return err
	}
	api := clerk.New(clerk.Config{URL: s.ClerkURL.Get(), Key: s.SecretKey.Get, RequestsPerSecond: in.ClerkRateLimit})
	err = c.checkInstance(ctx, in, api, s.InstanceID.Get())
	if err == nil {
		err = c.run(ctx, in, importer.Config{Clerk: api, Table: table, Roles: source.roles})
	}
	return errors.Join(err, table.Close())
}

// checkInstance makes sure that the key belongs to the instance that CLERK_INSTANCE_ID names, or else the operator state. An
// import into another instance could not be undone: its rows would have keys that look like those of Clerk users.
func (c importCommand) checkInstance(ctx context.Context, in invocation, api clerk.Client, expected string) error {
	source := "CLERK_INSTANCE_ID"
	if expected == "" {
		source, expected = "the instance that the operator has recorded", in.recordedInstance(ctx)
	}
	if expected == "" && !c.Yes {
		return nil
	}
	actual, err := api.Instance(ctx)
	switch {
	case err != nil:
		return err
	case expected == "":
		return fmt.Errorf("the secret key belongs to Clerk instance %s, and the operator has recorded none: "+
			"if the users are to be created there, set CLERK_INSTANCE_ID=%s", actual, actual)
	case actual != expected:
		return fmt.Errorf("the secret key belongs to Clerk instance %s, but %s is %s: set the key of that instance", actual, source, expected)
	default:
		return nil
	}
}

// recordedInstance returns the Clerk instance of the operator state; empty where there is none, or where it cannot be read.
func (in invocation) recordedInstance(ctx context.Context) string {
	recorded, err := in.operatorState()
	if err != nil {
		return ""
	}
	s, err := recorded.Read(ctx)
	if err != nil {
		return ""
	}
	return s.InstanceID
}

// run runs the import and prints its report, also that of an import that stopped early.
func (c importCommand) run(ctx context.Context, in invocation, config importer.Config) error {
	config.PasswordColumn, config.Unverified, config.Limit, config.Act = c.PasswordColumn, c.Unverified, c.Limit, c.Yes
	config.Markers, config.RolesUndecided = c.Markers == nil || *c.Markers, c.Markers == nil
	if c.Yes || c.Export != "" { // a preview needs no cluster
		config.Owner = in.owner
	}
	progress := newProgress(in.stderr)
	config.Progress = progress.show
	files, err := c.openFiles()
	if err != nil {
		return err
	}
	config.Export = files.add
	report, err := importer.Run(ctx, config)
	progress.finish()
	err = errors.Join(err, files.close(config.Roles, err))
	if errors.Is(err, importer.ErrRolesUndecided) {
		return fmt.Errorf("%w: with --markers the operator revokes each role that no manifest and no RoleRule desires, so write manifests with "+
			"--manifests=DIR and apply them first; with --no-markers the roles stay as somebody's in Clerk. Choose one of the two", err)
	}
	if err != nil && report.Rows == 0 {
		return err
	}
	if printed := c.print(in.stdout, report, func() error { return report.Text(in.stdout) }); printed != nil {
		return printed
	}
	if err != nil && report.Stopped == "" {
		return err
	}
	if err != nil {
		return errStopped
	}
	return nil
}

// owner returns the owner id of this installation, which it records like the operator.
func (in invocation) owner(ctx context.Context) (string, error) {
	if in.OwnerID != "" {
		return in.OwnerID, nil
	}
	id, err := in.recordedOwner(ctx)
	if err != nil {
		return "", fmt.Errorf("name it with --owner-id, run the command where the cluster can be reached, or leave the markers out with --no-markers: %w", err)
	}
	return id, nil
}

func (in invocation) recordedOwner(ctx context.Context) (string, error) {
	recorded, err := in.operatorState()
	if err != nil {
		return "", err
	}
	owner := state.Owner{Store: recorded}
	return owner.ID(ctx)
}

// operatorState returns the state of the operator in the cluster.
func (in invocation) operatorState() (*state.Store, error) {
	access, err := in.restConfig()
	if err != nil {
		return nil, err
	}
	scheme, err := newScheme()
	if err != nil {
		return nil, err
	}
	cluster, err := client.New(access, client.Options{Scheme: scheme})
	if err != nil {
		return nil, fmt.Errorf("creating a client: %w", err)
	}
	return &state.Store{Client: cluster, Namespace: in.Namespace}, nil
}

// importFiles are the files that a preview writes.
type importFiles struct {
	export    *os.File
	users     *importer.ExportWriter
	manifests string
	granted   []user.User
}

func (c importCommand) openFiles() (*importFiles, error) {
	files := &importFiles{manifests: c.Manifests}
	if c.Export == "" {
		return files, nil
	}
	// Nobody else may read addresses and hashes, and a file that exists is not overwritten.
	file, err := os.OpenFile(c.Export, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fmt.Errorf("--export: %w", err)
	}
	files.export, files.users = file, importer.NewExportWriter(file)
	return files, nil
}

func (f *importFiles) add(u clerk.NewUser) error {
	granted := user.User{Email: u.Email, VerifiedEmails: []string{user.NormalizeEmail(u.Email)}, Role: string(u.Role)}
	if granted.Role != "" && granted.Holds(u.Email) { // a manifest cannot name an address that anybody can verify
		f.granted = append(f.granted, granted)
	}
	if f.users == nil {
		return nil
	}
	return f.users.Add(u)
}

// close completes the files, unless the preview failed.
func (f *importFiles) close(roles user.Roles, failure error) error {
	var errs []error
	if f.export != nil {
		errs = append(errs, f.users.Close(), f.export.Close())
	}
	if f.manifests != "" && failure == nil {
		errs = append(errs, inspect.ExportUsers(f.granted, roles, time.Now()).WriteDirectory(f.manifests, false))
	}
	return errors.Join(errs...)
}

// progress shows a bar on a terminal.
type progress struct {
	out io.Writer // nil without a terminal

	mu  sync.Mutex
	bar *progressbar.ProgressBar
}

func newProgress(out io.Writer) *progress {
	if file, isFile := out.(*os.File); isFile && term.IsTerminal(int(file.Fd())) {
		return &progress{out: out}
	}
	return &progress{}
}

func (p *progress) show(done, total int) {
	if p.out == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bar == nil {
		p.bar = progressbar.NewOptions(total, progressbar.OptionSetWriter(p.out), progressbar.OptionShowCount(),
			progressbar.OptionSetPredictTime(true), progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish())
	}
	_ = p.bar.Set(done) // the import continues when the terminal is closed
}

func (p *progress) finish() {
	if p.bar != nil {
		_ = p.bar.Finish()
	}
}
