package secretbox

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/relayd/relayd/internal/safeio"
)

const (
	masterSize   = 32 // octets of a master key
	keyPrefix    = "relayd-key-1 "
	keyFileMode  = 0o600
	loosePerm    = 0o077 // no right for the group or others
	maxKeyFile   = 16 << 10
	keyFileIntro = `# The master key of relayd. Keep a copy apart from the backups of the data:
# without this file no stored password can be read again.
`
)

// Open reads the key file. If there is none it makes one with a new random key;
// when Open returns, the file and its name survive a power cut. A file that others
// may read is refused.
//
// Each line that is neither empty nor a comment holds one key. A new key is put in
// front of the others: the first line seals, all lines unseal. The last line is the
// first key that was ever made; what Derive gives depends on it alone and so does
// not change when keys are added.
func Open(path string) (*Box, error) {
	text, err := readKeyFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err = makeKeyFile(path); err == nil {
			text, err = readKeyFile(path)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("key file %s: %w", path, err)
	}
	box, err := parseKeys(text)
	if err != nil {
		return nil, fmt.Errorf("key file %s: %w", path, err)
	}
	return box, nil
}

func readKeyFile(path string) ([]byte, error) {
	file, err := os.Open(path) //nolint:gosec // the operator names the file
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("it is not a regular file")
	}
	if perm := info.Mode().Perm(); perm&loosePerm != 0 {
		return nil, fmt.Errorf("its mode is %04o, so others may read it; mend it with: chmod 600 %s", perm, path)
	}
	text, err := io.ReadAll(io.LimitReader(file, maxKeyFile+1))
	if err == nil && len(text) > maxKeyFile {
		err = fmt.Errorf("it is longer than %d octets, so it is no key file", maxKeyFile)
	}
	return text, err
}

// makeKeyFile writes a new key under another name, flushes it, and links it to its
// name, which fails if another process was faster: then that one's key counts.
func makeKeyFile(path string) error {
	dir := filepath.Dir(path)
	file, err := os.CreateTemp(dir, ".key-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(file.Name()) //nolint:errcheck // a left-over is harmless: nothing was sealed with it
	if err := writeKey(file); err != nil {
		return errors.Join(err, file.Close())
	}
	if err := file.Close(); err != nil {
		return err
	}
	if err := os.Link(file.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return safeio.SyncDir(dir) // without it a power cut undoes the link
}

func writeKey(file *os.File) error {
	var master [masterSize]byte
	rand.Read(master[:]) //nolint:errcheck // never fails since Go 1.24
	line := keyFileIntro + keyPrefix + base64.StdEncoding.EncodeToString(master[:]) + "\n"
	if _, err := file.WriteString(line); err != nil {
		return err
	}
	if err := file.Chmod(keyFileMode); err != nil {
		return err
	}
	return file.Sync()
}

func parseKeys(text []byte) (*Box, error) {
	box := &Box{}
	lines := bufio.NewScanner(bytes.NewReader(text))
	for number := 1; lines.Scan(); number++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		master, err := parseKey(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
		if err := box.add(master); err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	if len(box.keys) == 0 {
		return nil, errors.New("it holds no key; restore it from your copy, or remove it only if no password is stored yet")
	}
	return box, nil
}

// parseKey never repeats the line in its error: it may be a key.
func parseKey(line string) (master [masterSize]byte, err error) {
	encoded, ok := strings.CutPrefix(line, keyPrefix)
	if !ok {
		return master, fmt.Errorf("a key must start with %q", keyPrefix)
	}
	raw, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if err != nil || len(raw) != masterSize {
		return master, fmt.Errorf("a key is %d octets in base64", masterSize)
	}
	return [masterSize]byte(raw), nil
}
