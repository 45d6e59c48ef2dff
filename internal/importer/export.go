package importer

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/fitai/fituser-operator/internal/clerk"
)

// exported is a user in the format of an export of Clerk's dashboard, which clerk migrate import --source clerk and
// github.com/clerk/migration-tool (transformer clerk) read. The id becomes the external_id.
type exported struct {
	ID              string         `json:"id"`
	Email           string         `json:"primary_email_address,omitempty"`
	UnverifiedEmail string         `json:"unverified_email_addresses,omitempty"`
	Phone           string         `json:"primary_phone_number,omitempty"`
	FirstName       string         `json:"first_name,omitempty"`
	LastName        string         `json:"last_name,omitempty"`
	Digest          string         `json:"password_digest,omitempty"`
	Hasher          string         `json:"password_hasher,omitempty"`
	Public          map[string]any `json:"public_metadata,omitempty"`
	Private         map[string]any `json:"private_metadata,omitempty"`
	CreatedAt       string         `json:"created_at,omitempty"`
}

// ExportWriter writes users as the input of Clerk's own tool. What it writes contains addresses and hashed passwords.
type ExportWriter struct {
	out   io.Writer
	count int
}

// NewExportWriter returns a writer to out.
func NewExportWriter(out io.Writer) *ExportWriter { return &ExportWriter{out: out} }

// Add writes a user.
func (w *ExportWriter) Add(u clerk.NewUser) error {
	entry := exported{
		ID: u.ExternalID, Email: u.Email, Phone: u.Phone, FirstName: u.FirstName, LastName: u.LastName, Digest: u.Digest, Hasher: u.Hasher,
	}
	if u.Unverified {
		entry.Email, entry.UnverifiedEmail = "", u.Email
	}
	if !u.CreatedAt.IsZero() {
		entry.CreatedAt = u.CreatedAt.UTC().Format(time.RFC3339)
	}
	if u.Role != "" {
		entry.Public = map[string]any{"role": u.Role}
	}
	if u.Role != "" && u.Owner != "" {
		entry.Private = map[string]any{"fituser": map[string]string{"role": string(u.Role), "owner": u.Owner}}
	}
	content, err := json.Marshal(entry)
	if err != nil {
		return fmt.Errorf("encoding a user: %w", err)
	}
	separator := "[\n"
	if w.count > 0 {
		separator = ",\n"
	}
	w.count++
	_, err = w.out.Write(append([]byte(separator), content...))
	return err
}

// Close writes the end.
func (w *ExportWriter) Close() error {
	end := "\n]\n"
	if w.count == 0 {
		end = "[]\n"
	}
	_, err := io.WriteString(w.out, end)
	return err
}
