package main

import (
	"context"

	"k8s.io/client-go/rest"

	"github.com/fitai/fituser-operator/internal/inspect"
)

type historyCommand struct {
	User   string `arg:"" help:"Clerk's id (user_…), a FitUser's name, or an e-mail address."`
	Output string `short:"o" default:"table" enum:"table, json" help:"Output format: ${enum} (default: ${default})."`
}

// Run implements the command.
func (c historyCommand) Run(ctx context.Context, in invocation) error {
	return in.inspect(func(inspector *inspect.Inspector, _ *rest.Config) error {
		history, err := inspector.History(ctx, c.User)
		if err != nil {
			return err
		}
		if c.Output == "json" {
			return printJSON(in.stdout, history)
		}
		return history.Text(in.stdout)
	})
}

type accessReviewCommand struct {
	Output string `short:"o" default:"table" enum:"table, csv, json" help:"Output format: ${enum} (default: ${default})."`
}

// Run implements the command.
func (c accessReviewCommand) Run(ctx context.Context, in invocation) error {
	return in.inspect(func(inspector *inspect.Inspector, _ *rest.Config) error {
		review, err := inspector.AccessReview(ctx)
		if err != nil {
			return err
		}
		switch c.Output {
		case "csv":
			return review.CSV(in.stdout)
		case "json":
			return printJSON(in.stdout, review)
		default:
			return review.Text(in.stdout)
		}
	})
}
