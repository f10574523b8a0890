package exchange

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Memory is mailboxes that end with the program.
type Memory struct {
	mu      sync.Mutex
	owners  []Owner
	folders map[folderKey][]Item
	posted  []Mail
	nextID  int
}

type folderKey struct{ address, folder string }

// NewMemory makes empty mailboxes.
func NewMemory(owners ...Owner) *Memory {
	return &Memory{owners: slices.Clone(owners), folders: map[folderKey][]Item{}}
}

// Find gives the owner of a mailbox.
func (m *Memory) Find(_ context.Context, name string) (Owner, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if o, ok := m.find(name); ok {
		return o, nil
	}
	return Owner{}, ErrNoMailbox
}

func (m *Memory) find(name string) (Owner, bool) {
	for _, o := range m.owners {
		if name != "" && (sameName(o.Login, name) || o.owns(name)) {
			return o, true
		}
	}
	return Owner{}, false
}

// SetPassword changes a password for whoever signs in from now on.
func (m *Memory) SetPassword(address, password string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range m.owners {
		if m.owners[i].owns(address) {
			m.owners[i].Password = password
			return nil
		}
	}
	return fmt.Errorf("%s: %w", address, ErrNoMailbox)
}

// Deliver puts a message into the inboxes of its own recipients. All of it, with the
// recipients elsewhere, is in Posted.
func (m *Memory) Deliver(_ context.Context, mail Mail) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.posted = append(m.posted, mail)
	for _, to := range mail.To {
		if o, ok := m.find(to); ok {
			m.put(o.Address, inbox, Item{Received: time.Now(), Content: mail.Content})
		}
	}
	return nil
}

// Posted gives everything that was sent, oldest first.
func (m *Memory) Posted() []Mail {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.posted)
}

// Put keeps a message.
func (m *Memory) Put(_ context.Context, address, folder string, item Item) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	o, ok := m.find(address)
	if !ok {
		return "", ErrNoMailbox
	}
	return m.put(o.Address, folder, item), nil
}

func (m *Memory) put(address, folder string, item Item) string {
	m.nextID++
	item.ID = strconv.Itoa(m.nextID)
	key := folderKey{address, folder}
	m.folders[key] = append(m.folders[key], item)
	return item.ID
}

// List gives what lies in a folder.
func (m *Memory) List(_ context.Context, address, folder string) ([]Item, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	o, ok := m.find(address)
	if !ok {
		return nil, ErrNoMailbox
	}
	return slices.Clone(m.folders[folderKey{o.Address, folder}]), nil
}

// Delete takes a message out of a folder.
func (m *Memory) Delete(_ context.Context, address, folder, id string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	o, ok := m.find(address)
	if !ok {
		return ErrNoMailbox
	}
	key := folderKey{o.Address, folder}
	i := slices.IndexFunc(m.folders[key], func(item Item) bool { return item.ID == id })
	if i < 0 {
		return ErrNoItem
	}
	m.folders[key] = slices.Delete(slices.Clone(m.folders[key]), i, i+1)
	return nil
}
