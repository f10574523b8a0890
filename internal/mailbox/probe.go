package mailbox

import (
	"context"
	"net"
)

// Probe connects, checks the greeting and secures the connection, and ends it again
// without a sign-in. It needs Dialer and Server alone.
func Probe(ctx context.Context, o Options) (Peer, error) {
	o.fill()
	ctx, cancel := context.WithTimeoutCause(ctx, o.ConnectTimeout, errOverdue)
	defer cancel()
	w, peer, err := o.connect(ctx)
	if err != nil {
		return Peer{}, err
	}
	w.end(net.ErrClosed)
	return peer, nil
}
