package accounts

import (
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/relayd/relayd/internal/api"
	"github.com/relayd/relayd/internal/apiclient"
)

// messages asks relayd for everything that a filter leaves, oldest first.
func (w *world) messages(f apiclient.Filter) []api.Message {
	w.Helper()
	var all []api.Message
	f["limit"] = "500"
	for {
		page, err := w.install.API.Messages(w.Context(), f)
		if err != nil {
			w.Fatal(err)
		}
		all = append(all, page.Items...)
		if page.Next == "" {
			slices.Reverse(all)
			return all
		}
		f["cursor"] = page.Next
	}
}

// reason is what the API says about why a message waits.
func reason(m *api.Message) string {
	var all []string
	if m.Hold != nil {
		all = append(all, m.Hold.Reason)
	}
	for i := range m.Recipients {
		all = append(all, m.Recipients[i].Reply)
	}
	for i := range m.Waits {
		all = append(all, m.Waits[i].Reason)
	}
	return strings.Join(all, "; ")
}

// shown waits until everything that was sent through broken accounts is there to be
// seen, with the reason why it waits.
func (w *world) shown() {
	w.Helper()
	var missing []string
	look := func() bool {
		missing = nil
		seen := map[string]string{}
		for _, m := range w.messages(apiclient.Filter{"waiting": "true"}) {
			seen[m.MessageID] = reason(&m)
		}
		for _, p := range w.broken {
			shows := regexp.MustCompile(p.shows)
			for _, l := range w.letters {
				if slices.Contains(p.locals, l.local) && !shows.MatchString(seen[l.HeaderID]) {
					missing = append(missing, l.HeaderID+" waits with "+seen[l.HeaderID]+", not with "+p.shows)
				}
			}
		}
		return len(missing) == 0
	}
	defer func() {
		if len(missing) > 0 {
			w.Logf("%d messages without their reason, such as\n%s", len(missing), strings.Join(missing[:min(len(missing), 40)], "\n"))
		}
	}()
	w.await("every message of a broken account is shown with its reason", look)
}

// mendAll mends every provider, and does what people do then: those whose account needs
// them, as many as are told, type their new password.
func (w *world) mendAll(people int) {
	w.Helper()
	for _, p := range w.broken {
		w.mend(p)
	}
	parked, err := w.install.API.Accounts(w.Context(), apiclient.Filter{"state": "parked"})
	if err != nil {
		w.Fatal(err)
	}
	for i := range parked {
		a, password := &parked[i], newPassword
		if !strings.HasPrefix(a.Address, "password") {
			w.Errorf("%s is parked: %s", a.Address, a.StateReason)
		}
		in := api.AccountInput{User: a.User, Address: a.Address, Settings: a.Settings, Password: &password}
		if _, err := w.install.API.UpdateAccount(w.Context(), a.ID, a.Revision, in); err != nil {
			w.Errorf("change the password of %s: %v", a.Address, err)
		}
	}
	if len(parked) != people {
		w.Errorf("%d accounts are parked, want %d", len(parked), people)
	}
}

// goOn releases and tries everything that waits, oldest first, until nothing does.
func (w *world) goOn() {
	w.Helper()
	w.await("nothing waits any more", func() bool {
		waiting := w.messages(apiclient.Filter{"waiting": "true"})
		byPerson := map[string][]api.Message{}
		for i := range waiting {
			byPerson[waiting[i].From] = append(byPerson[waiting[i].From], waiting[i])
		}
		var people sync.WaitGroup
		free := make(chan struct{}, 8) // as many at one time
		for _, own := range byPerson {
			free <- struct{}{}
			people.Go(func() {
				for i := range own {
					w.pushOn(&own[i])
				}
				<-free
			})
		}
		people.Wait()
		return len(waiting) == 0
	})
}

// pushOn releases or tries one message. It may be done by now.
func (w *world) pushOn(m *api.Message) {
	switch {
	case m.Hold == nil:
		_, _ = w.install.API.Retry(w.Context(), m.ID)
	case m.Hold.Account == "":
		_, _ = w.install.API.Release(w.Context(), m.ID)
	}
}
