package simulator_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/relayd/relayd/internal/relaytest"
	"github.com/relayd/relayd/internal/simulator"
)

// A client of another project finds the provider's mailboxes behind EWS:
//
//	exchangelib --https--> exchange --> mailboxes --> IMAP
func TestExchangelib(t *testing.T) {
	t.Parallel()
	const interpreter = "/usr/bin/python3" // Debian's own: the client is installed for it
	if out, err := exec.Command(interpreter, "-c", "import exchangelib").CombinedOutput(); err != nil {
		relaytest.Lack(t, "python3-exchangelib does not work (%v): make tools installs it\n%s", err, out)
	}
	const bob, password = "bob@acme.example", "Pässw0rd, mit Komma"
	s := start(t, simulator.Options{Personality: simulator.Exchange(), Accounts: []simulator.Account{
		{Address: jane, Password: password}, {Address: bob, Password: password},
	}})
	ca := filepath.Join(t.TempDir(), "ca.pem")
	relaytest.WriteFile(t, ca, string(s.RootPEM()))
	cmd := exec.Command(interpreter, filepath.Join("exchange", "testdata", "exchangelib_client.py"))
	cmd.Env = append(os.Environ(),
		"REQUESTS_CA_BUNDLE="+ca, "PYTHONDONTWRITEBYTECODE=1", "TZ=UTC", "NO_PROXY=*",
		"SIM_URL="+s.HTTPSURL(), "SIM_AUTH=NTLM", `SIM_LOGIN=EXAMPLE\jane`, "SIM_PASSWORD="+password, "SIM_MODE=")
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "all done") {
		t.Fatalf("the foreign client ended with %v:\n%s", err, out)
	}
	if sent := s.Outbox(); len(sent) != 3 || sent[0].Via != "ews" || sent[0].To[0] != bob {
		t.Errorf("outbox %+v", sent)
	}
	if left := messages(t, s, jane, "Sent Items"); len(left) != 2 { // it deletes the first of three
		t.Errorf("%d copies are left", len(left))
	}
}
