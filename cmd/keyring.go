package main

import (
	"context"
	"sync/atomic"

	"github.com/fitai/fituser-operator/internal/receiver"
)

// keyring holds the signing secrets in force. They are parsed when they change, not for every request.
type keyring struct{ keys atomic.Pointer[receiver.Keys] }

func newKeyring(secret *setting) (*keyring, error) {
	k := &keyring{}
	take := func(_ context.Context, value string) error {
		keys, err := receiver.ParseSecrets(value)
		if err == nil {
			k.keys.Store(&keys)
		}
		return err
	}
	secret.accept = take
	return k, take(context.Background(), secret.Get())
}

// Keys are the keys of the moment.
func (k *keyring) Keys() receiver.Keys { return *k.keys.Load() }
