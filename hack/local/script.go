package main

import (
	_ "embed"
	"fmt"
	"strings"
	"text/template"
)

// scriptText is printed once everything runs. The part after "Once in that terminal" is a shell script; TestScript pastes
// every command of it.
//
//go:embed script.tmpl
var scriptText string

// script holds the values in the text.
type script struct {
	Tools, Kubeconfig, Log, Table, MetricsURL string
	// Receiver is false when the operator receives no webhooks.
	Receiver                   bool
	WebhookAddress, WebhookURL string
	// Many is true when there are too many users for a list.
	Many bool
	// ClerkURL and SecretKey are the stand-in's; empty without one.
	ClerkURL, SecretKey string
}

func (s script) render() (string, error) {
	t, err := template.New("script").Funcs(template.FuncMap{"sh": shellQuote}).Parse(scriptText)
	if err != nil {
		return "", fmt.Errorf("parsing the script: %w", err)
	}
	var b strings.Builder
	if err := t.Execute(&b, s); err != nil {
		return "", fmt.Errorf("rendering the script: %w", err)
	}
	return b.String(), nil
}
