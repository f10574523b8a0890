package exchange_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/relayd/relayd/internal/relaytest"
	"github.com/relayd/relayd/internal/simulator/exchange"
)

// foreignClient is Debian's own interpreter: python3-exchangelib is installed for
// it, and another python3 may stand before it in PATH.
const foreignClient = "/usr/bin/python3"

// needExchangelib ends the test where the foreign client is missing.
func needExchangelib(t *testing.T) {
	t.Helper()
	if out, err := exec.Command(foreignClient, "-c", "import exchangelib").CombinedOutput(); err != nil {
		relaytest.Lack(t, "python3-exchangelib does not work (%v): make tools installs it\n%s", err, out)
	}
}

// A client of another project signs in, sends, finds, reads and deletes:
//
//	exchangelib --https--> simulated Exchange --> Memory
func TestExchangelibSendsAndFinds(t *testing.T) {
	t.Parallel()
	needExchangelib(t)
	for name, c := range map[string]struct {
		options exchange.Options
		auth    string
		login   string
		mode    string
	}{
		"NTLM with a domain":      {auth: "NTLM", login: `EXAMPLE\jane`},
		"NTLM with an address":    {auth: "NTLM", login: "jane@acme.example"},
		"NTLM, asked for itself":  {auth: "automatic", login: `EXAMPLE\jane`},
		"Basic with a domain":     {auth: "basic", login: `EXAMPLE\jane`},
		"Basic with an address":   {auth: "basic", login: "jane@acme.example"},
		"Basic alone":             {options: exchange.Options{Schemes: []exchange.Scheme{exchange.Basic}}, auth: "automatic", login: "jane@acme.example"},
		"Exchange 2010 SP2":       {options: exchange.Options{Release: exchange.Exchange2010SP2}, auth: "NTLM", login: `EXAMPLE\jane`},
		"Exchange 2013":           {options: exchange.Options{Release: exchange.Exchange2013}, auth: "basic", login: `EXAMPLE\jane`},
		"few versions understood": {options: exchange.Options{Versions: []exchange.Release{exchange.Exchange2013SP1, exchange.Exchange2010}}, auth: "NTLM", login: `EXAMPLE\jane`},
		"impersonation":           {auth: "NTLM", login: `EXAMPLE\service`, mode: "impersonation"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.options.Impersonators = []string{"service@acme.example"}
			f := start(t, c.options)
			runForeign(t, f, c.auth, c.login, c.mode)
			if got := f.server.Last().Message; !strings.Contains(string(got), "Subject: From a foreign client") {
				t.Errorf("the last message is %q", got)
			}
			if posted := f.memory.Posted(); len(posted) != 3 {
				t.Errorf("%d messages were sent, want 3", len(posted))
			}
		})
	}
}

// What the server calls busy, the foreign client understands as that.
func TestExchangelibUnderstandsBusy(t *testing.T) {
	t.Parallel()
	needExchangelib(t)
	f := start(t, exchange.Options{})
	f.server.Inject(exchange.Fault{At: exchange.AtGetFolder, Times: 1, SOAP: true, Code: "ErrorServerBusy", Text: "Later.", BackOff: 30 * time.Second})
	runForeign(t, f, "NTLM", `EXAMPLE\jane`, "busy")
}

func runForeign(t *testing.T, f *fixture, auth, login, mode string) {
	t.Helper()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	relaytest.WriteFile(t, ca, string(f.authority.PEM()))
	cmd := exec.Command(foreignClient, filepath.Join("testdata", "exchangelib_client.py"))
	cmd.Env = append(os.Environ(),
		"REQUESTS_CA_BUNDLE="+ca, "PYTHONDONTWRITEBYTECODE=1", "TZ=UTC", "NO_PROXY=*",
		"SIM_URL="+f.url, "SIM_AUTH="+auth, "SIM_LOGIN="+login, "SIM_PASSWORD="+password, "SIM_MODE="+mode)
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "all done") {
		t.Fatalf("the foreign client ended with %v:\n%s", err, out)
	}
}
