package main

import (
	_ "embed"
	"fmt"
	"strings"
	"text/template"
)

// scriptText is what is printed once everything runs. What follows "Once in that terminal" is a shell script: every
// command in it works when it is pasted, which TestScript proves.
//
//go:embed script.tmpl
var scriptText string

// script is what the text needs to know.
type script struct {
	Tools, Kubeconfig, Log, Table, MetricsURL string
	// Receiver is false where webhooks are not taken.
	Receiver                   bool
	WebhookAddress, WebhookURL string
	// Many is true where there are more users than anybody wants to see in a list.
	Many bool
	// ClerkURL and SecretKey are the stand-in's, empty where there is none.
	ClerkURL, SecretKey string
}

func (s script) render() (string, error) {
	t, err := template.New("script").Funcs(template.FuncMap{"sh": shellQuote}).Parse(scriptText)
	if err != nil {
		return "", fmt.Errorf("parsing the script: %w", err)
	}
	var b strings.Builder
	if err := t.Execute(&b, s); err != nil {
		return "", fmt.Errorf("writing the script: %w", err)
	}
	return b.String(), nil
}
