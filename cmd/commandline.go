package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/alecthomas/kong"
)

// commandLine is what can be typed: the operator itself, which needs no command, and the commands that show its state.
// Those read the operator's settings, so it is easiest to run them in the operator's pod.
type commandLine struct {
	options

	Version kong.VersionFlag `help:"Print version and commit."`

	Run    operateCommand `cmd:"" default:"1" help:"Run the operator. This is the default."`
	Status statusCommand  `cmd:"" help:"Show the state of the operator: leader, users that are not ready and why, roles and who holds the protected one, RoleRules, deferred deletions."`
	Why    whyCommand     `cmd:"" help:"Show one user in Clerk, in the FitUser and in the table side by side, what decides the role, and what the operator would do next."`
	Plan   planCommand    `cmd:"" help:"Show what a sweep would change now, without changing it."`
	Table  tableCommand   `cmd:"" help:"Show how the users table is mapped, what the database has, and what differs; propose a mapping for a table that looks as if it held the users."`

	History      historyCommand      `cmd:"" help:"Show the last changes of a user's role."`
	AccessReview accessReviewCommand `cmd:"" help:"List who holds a role, why, since when and until when."`
	Export       exportCommand       `cmd:"" help:"Write manifests of the roles that users hold in Clerk."`

	Import importCommand `cmd:"" help:"Move people from before Clerk to Clerk: rows of the users table that belong to no Clerk user. A preview without --yes."`
}

// invocation is what a command's Run method gets: the flags, the environment and the outputs of the process.
type invocation struct {
	options
	getenv         func(string) string
	stdout, stderr io.Writer
}

// errHelpPrinted is the error of a command line that requests the usage or the version.
var errHelpPrinted = errors.New("help was requested")

// podNamespaceFile is the file in which Kubernetes gives a pod its namespace.
const podNamespaceFile = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"

// parseCommandLine reads arguments and environment, and returns the command to run. The error is one sentence that names
// the setting.
func parseCommandLine(args []string, getenv func(string) string, stdout io.Writer) (commandLine, *kong.Context, error) {
	var line commandLine
	helpPrinted := false
	parser, err := kong.New(&line,
		kong.Name("manager"),
		kong.Description("Keeps Clerk's users, FitUser objects and a users table in sync. Credentials come from the "+
			"environment: CLERK_WEBHOOK_SECRET for the receiver; CLERK_SECRET_KEY and DATABASE_URL for the controller. Each flag "+
			"is also read from there, --leader-elect as FITUSER_LEADER_ELECT; the flag wins."),
		kong.Writers(stdout, stdout),
		kong.Exit(func(int) { helpPrinted = true }),
		kong.Resolvers(environment(getenv)),
		kong.Vars{"version": thisBuild().String()},
	)
	if err != nil {
		return commandLine{}, nil, fmt.Errorf("declaring the flags: %w", err)
	}
	command, err := parser.Parse(exportArguments(args))
	if helpPrinted {
		return commandLine{}, nil, errHelpPrinted
	}
	if err != nil {
		return commandLine{}, nil, fmt.Errorf("%w (see --help)", err)
	}
	if line.Namespace == "" {
		line.Namespace = podNamespace()
	}
	return line, command, line.check()
}

// environment finds a flag's value in the environment.
func environment(getenv func(string) string) kong.Resolver {
	return kong.ResolverFunc(func(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
		value := getenv("FITUSER_" + strings.ToUpper(strings.ReplaceAll(flag.Name, "-", "_")))
		if value == "" {
			return nil, nil //nolint:nilnil // kong takes nil for a flag without a value here
		}
		return value, nil
	})
}

func podNamespace() string {
	if name, err := os.ReadFile(podNamespaceFile); err == nil {
		if name := strings.TrimSpace(string(name)); name != "" {
			return name
		}
	}
	return "default"
}
