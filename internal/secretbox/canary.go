package secretbox

import (
	"bytes"
	"context"
	"fmt"
)

// Canary is where the sealed canary lies: beside the records that are sealed with
// the same key, so that both are restored together.
type Canary interface {
	// Canary gives the sealed canary, or nil if none was stored yet.
	Canary(ctx context.Context) ([]byte, error)
	// SetCanary stores it durably.
	SetCanary(ctx context.Context, sealed []byte) error
}

// The canary's place among what is sealed.
const (
	canaryKind  = "canary"
	canaryID    = "directory"
	canaryField = "text"
)

// canaryText is what the canary says once it is unsealed.
const canaryText = "the key of relayd fits"

// Check proves that the box has the key with which the records were sealed. The
// first time it stores the canary. Call it before anything is unsealed: a wrong key
// must end the start, and not park every account one by one.
func (b *Box) Check(ctx context.Context, c Canary) error {
	sealed, err := c.Canary(ctx)
	if err != nil {
		return fmt.Errorf("read the canary: %w", err)
	}
	if sealed == nil {
		return b.setCanary(ctx, c)
	}
	plain, err := b.Unseal(canaryKind, canaryID, canaryField, sealed)
	if err != nil {
		return fmt.Errorf("the key file does not fit the stored data; restore the key file that belongs to it: %w", err)
	}
	if !bytes.Equal(plain, []byte(canaryText)) {
		return fmt.Errorf("the canary of the stored data says something else: %w", ErrDamaged)
	}
	if !b.Current(sealed) {
		return b.setCanary(ctx, c)
	}
	return nil
}

func (b *Box) setCanary(ctx context.Context, c Canary) error {
	if err := c.SetCanary(ctx, b.Seal(canaryKind, canaryID, canaryField, []byte(canaryText))); err != nil {
		return fmt.Errorf("store the canary: %w", err)
	}
	return nil
}
