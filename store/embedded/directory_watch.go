package embedded

import (
	"sync"

	"github.com/relayd/relayd/store"
)

// directoryWatchers are the channels that wait for the next change of a record or
// kind. There is one for each record that somebody watches, however many watch it.
type directoryWatchers struct {
	mu       sync.Mutex
	channels map[directoryRef]chan struct{} // an empty id is the whole kind
}

func (w *directoryWatchers) watch(kind store.Kind, id string) <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	ref := directoryRef{kind, id}
	channel, ok := w.channels[ref]
	if !ok {
		channel = make(chan struct{})
		if w.channels == nil {
			w.channels = make(map[directoryRef]chan struct{})
		}
		w.channels[ref] = channel
	}
	return channel
}

func (w *directoryWatchers) notify(kind store.Kind, id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, ref := range []directoryRef{{kind, id}, {kind, ""}} {
		if channel, ok := w.channels[ref]; ok {
			delete(w.channels, ref)
			close(channel)
		}
	}
}
