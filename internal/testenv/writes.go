package testenv

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"
)

// Write is one successful write request that the API server answered.
type Write struct {
	Verb        string // create, update, patch, delete or deletecollection
	Resource    string // the plural, such as fitusers
	Subresource string // such as status; empty for the object itself
	Name        string // empty for a deletecollection
	User        string // the requester; with [Environment.As], the impersonated user
}

func (w Write) String() string {
	resource := w.Resource
	if w.Subresource != "" {
		resource += "/" + w.Subresource
	}
	return fmt.Sprintf("%s %s %s by %s", w.Verb, resource, w.Name, w.User)
}

// Writes returns the successful writes to objects in a namespace, in the order of their responses.
// metav1.NamespaceAll selects all namespaces and cluster-scoped objects. Rejected requests are left out; requests
// that changed nothing are included. Writes to the namespace object itself do not belong to the namespace.
//
// The result is exact for every request whose client has read the response. A running request may be missing.
func (e *Environment) Writes(namespace string) ([]Write, error) {
	log, err := os.Open(filepath.Join(e.dir, auditLogFile))
	if err != nil {
		return nil, fmt.Errorf("opening the audit log: %w", err)
	}
	defer func() { _ = log.Close() }() // read-only: closing cannot lose data
	writes, err := parseWrites(log, namespace)
	if err != nil {
		return nil, fmt.Errorf("reading the audit log: %w", err)
	}
	return writes, nil
}

func parseWrites(log io.Reader, namespace string) ([]Write, error) {
	var writes []Write
	mention := fmt.Appendf(nil, "%q", namespace) // decoding is slow, so lines of other namespaces are skipped undecoded
	lines := bufio.NewReader(log)
	for {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return writes, nil // an unterminated line is still being written
		}
		if err != nil {
			return nil, err
		}
		if namespace != metav1.NamespaceAll && !bytes.Contains(line, mention) {
			continue
		}
		var event auditv1.Event
		if err := json.Unmarshal(line, &event); err != nil {
			return nil, fmt.Errorf("decoding a line: %w", err)
		}
		if isWriteIn(&event, namespace) {
			writes = append(writes, writeOf(&event))
		}
	}
}

func isWriteIn(event *auditv1.Event, namespace string) bool {
	if event.ObjectRef == nil || event.ResponseStatus == nil || event.ResponseStatus.Code/100 != 2 {
		return false
	}
	if namespace == metav1.NamespaceAll {
		return true
	}
	// An audit event of a namespace object has that namespace as its namespace.
	return event.ObjectRef.Namespace == namespace && event.ObjectRef.Resource != "namespaces"
}

func writeOf(event *auditv1.Event) Write {
	user := event.User.Username
	if event.ImpersonatedUser != nil {
		user = event.ImpersonatedUser.Username
	}
	return Write{
		Verb:        event.Verb,
		Resource:    event.ObjectRef.Resource,
		Subresource: event.ObjectRef.Subresource,
		Name:        event.ObjectRef.Name,
		User:        user,
	}
}
