package embedded

import (
	"bytes"
	"context"
	"errors"

	bolt "go.etcd.io/bbolt"

	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/store"
)

// OrganisationOf finds the owner of a domain.
func (d *Directory) OrganisationOf(ctx context.Context, domain string) (*relay.Organisation, error) {
	return d.organisations.find(ctx, directoryValue{spaceDomain, domain})
}

// UserByAddress finds the user whose primary address this is.
func (d *Directory) UserByAddress(ctx context.Context, a relay.Address) (*relay.User, error) {
	return d.users.find(ctx, directoryValue{spaceUser, a.Key()})
}

// AccountByAddress finds the account to which the address belongs, as its own or as a
// proved alias, whatever its state.
func (d *Directory) AccountByAddress(ctx context.Context, a relay.Address) (*relay.Account, error) {
	return d.accounts.find(ctx, directoryValue{spaceAccount, a.Key()})
}

// SubmitterByLogin finds a submitter by the user name of AUTH.
func (d *Directory) SubmitterByLogin(ctx context.Context, login string) (*relay.Submitter, error) {
	return d.submitters.find(ctx, directoryValue{spaceLogin, login})
}

// StarterOf finds the starter configuration for a domain of an organisation: its own,
// else the one for every domain.
func (d *Directory) StarterOf(ctx context.Context, organisation, domain string) (*relay.Starter, error) {
	s, err := d.starters.find(ctx, directoryValue{spaceStarter, starterValue(organisation, domain)})
	if errors.Is(err, store.ErrNotFound) && domain != "" {
		return d.starters.find(ctx, directoryValue{spaceStarter, starterValue(organisation, "")})
	}
	return s, err
}

// KeysOf gives the DKIM keys of a domain; none is no error.
func (d *Directory) KeysOf(ctx context.Context, domain string) ([]relay.Key, error) {
	ids, err := d.keyIDs(ctx, domain)
	if err != nil {
		return nil, err
	}
	var keys []relay.Key
	for _, id := range ids {
		key, err := d.keys.Get(ctx, id)
		if errors.Is(err, store.ErrNotFound) {
			continue // deleted since the index was read
		}
		if err != nil {
			return nil, err
		}
		keys = append(keys, *key)
	}
	return keys, nil
}

func (d *Directory) keyIDs(ctx context.Context, domain string) (ids []string, err error) {
	if domain == "" || len(domain) > maxDirectoryID {
		return nil, d.usable(ctx)
	}
	prefix := directoryValue{spaceSelector, domain + "\x00"}.key()
	err = d.view(ctx, func(tx *bolt.Tx) error {
		cursor := tx.Bucket([]byte(directoryUnique)).Cursor()
		for key, id := cursor.Seek(prefix); bytes.HasPrefix(key, prefix); key, id = cursor.Next() {
			ids = append(ids, string(id))
		}
		return nil
	})
	return ids, err
}

// Canary gives the sealed canary that proves the key file right, or nil if none
// was stored yet.
func (d *Directory) Canary(ctx context.Context) (sealed []byte, err error) {
	err = d.view(ctx, func(tx *bolt.Tx) error {
		sealed = bytes.Clone(tx.Bucket([]byte(directoryMeta)).Get([]byte(directoryCanaryKey)))
		return nil
	})
	return sealed, err
}

// SetCanary stores the canary durably.
func (d *Directory) SetCanary(ctx context.Context, sealed []byte) error {
	return d.update(ctx, func(tx *bolt.Tx) error {
		return tx.Bucket([]byte(directoryMeta)).Put([]byte(directoryCanaryKey), sealed)
	})
}
