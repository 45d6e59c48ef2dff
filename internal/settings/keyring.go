package settings

import (
	"context"
	"sync/atomic"

	"github.com/fitai/fituser-operator/internal/receiver"
)

// Keyring holds the parsed signing secrets. It parses them when they change, and not for every request.
type Keyring struct{ keys atomic.Pointer[receiver.Keys] }

// NewKeyring parses the secrets of a setting, and parses them again when the setting changes.
func NewKeyring(secret *Setting) (*Keyring, error) {
	k := &Keyring{}
	parse := func(_ context.Context, value string) error {
		keys, err := receiver.ParseSecrets(value)
		if err == nil {
			k.keys.Store(&keys)
		}
		return err
	}
	secret.OnChange(parse)
	return k, parse(context.Background(), secret.Get())
}

// Keys returns the secrets in force.
func (k *Keyring) Keys() receiver.Keys { return *k.keys.Load() }
