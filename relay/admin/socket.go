package admin

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/relayd/relayd/internal/apiclient"
)

// socketProbe is how long a socket that lies there may take to show that somebody
// still answers on it.
const socketProbe = time.Second

// maxSocketPath is the longest path that every system binds: sun_path has 104
// octets on the BSDs and macOS, 108 on Linux, with a zero at the end.
const maxSocketPath = 103

// listenSocket opens the Unix socket with mode 0600. It is bound inside a fresh
// directory of mode 0700 and then moved into place: between bind and chmod nobody
// else can connect, whatever the umask.
func listenSocket(ctx context.Context, path string) (net.Listener, error) {
	if err := clearSocket(ctx, path); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(filepath.Dir(path), ".s")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.Remove(dir) }() // empty by then; what is left is only a name
	bound := filepath.Join(dir, "s")
	if len(bound) > maxSocketPath {
		return nil, fmt.Errorf("the path is too long for a socket by %d octets: set admin.socket to a shorter one", len(bound)-maxSocketPath)
	}
	l, err := new(net.ListenConfig).Listen(ctx, "unix", bound)
	if err != nil {
		return nil, err
	}
	// The name changes below, so closing must not remove the old one.
	if u, ok := l.(*net.UnixListener); ok {
		u.SetUnlinkOnClose(false)
	}
	if err := os.Chmod(bound, 0o600); err != nil {
		return nil, errors.Join(err, l.Close(), os.Remove(bound))
	}
	if err := os.Rename(bound, path); err != nil {
		return nil, errors.Join(err, l.Close(), os.Remove(bound))
	}
	return l, nil
}

// clearSocket removes a socket that a killed relayd left, never one that somebody
// answers on and never anything else.
func clearSocket(ctx context.Context, path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode().Type() != fs.ModeSocket {
		return errors.New("a file that is no socket is in the way")
	}
	if apiclient.Answers(ctx, path, socketProbe) {
		return errors.New("another relayd answers on it")
	}
	if err := os.Remove(path); err != nil {
		return fmt.Errorf("remove the socket of an earlier run: %w", err)
	}
	return nil
}

type localKey struct{}

// localCaller is the caller of everything that comes over the socket: whoever may
// open a file of mode 0600 may administer relayd.
func localCaller(ctx context.Context, conn net.Conn) context.Context {
	who := caller{Name: "local", From: "socket"}
	if l, ok := conn.(*limitedConn); ok {
		conn = l.Conn
	}
	if u, ok := conn.(*net.UnixConn); ok {
		if uid, ok := peerUser(u); ok {
			who.From = fmt.Sprintf("socket uid=%d", uid)
		}
	}
	return withCaller(context.WithValue(ctx, localKey{}, true), who)
}

// isLocal reports whether a request came over the socket.
func isLocal(ctx context.Context) bool {
	local, _ := ctx.Value(localKey{}).(bool)
	return local
}
