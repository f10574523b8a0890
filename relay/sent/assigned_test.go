package sent

import (
	"strings"
	"testing"

	"github.com/relayd/relayd/relay"
)

const amazon = "0100017f2a1b2c3d-1234abcd-12ab-34cd-56ef-1234567890ab-000000"

func TestAssignedID(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		host string
		code int
		text string
		want string
	}{
		"Outlook.com":                    {"smtp-mail.outlook.com", 250, "OK <AM9P193MB1@AM9P193MB1.EURP193.PROD.OUTLOOK.COM> [Hostname=AM9P193MB1.EURP193.PROD.OUTLOOK.COM]", "<AM9P193MB1@AM9P193MB1.EURP193.PROD.OUTLOOK.COM>"},
		"SES in the first region":        {"email-smtp.us-east-1.amazonaws.com", 250, "Ok " + amazon, "<" + amazon + "@email.amazonses.com>"},
		"SES elsewhere":                  {"Email-SMTP.eu-west-1.amazonaws.com.", 250, "Ok " + amazon, "<" + amazon + "@eu-west-1.amazonses.com>"},
		"SES with FIPS":                  {"email-smtp-fips.us-west-2.amazonaws.com", 250, "Ok " + amazon, "<" + amazon + "@us-west-2.amazonses.com>"},
		"WorkMail":                       {"smtp.mail.us-west-2.awsapps.com", 250, "Ok " + amazon, "<" + amazon + "@us-west-2.amazonses.com>"},
		"WorkMail in the first region":   {"smtp.mail.us-east-1.awsapps.com", 250, "Ok " + amazon, "<" + amazon + "@email.amazonses.com>"},
		"an id of Amazon's elsewhere":    {"smtp.example.com", 250, "Ok " + amazon, ""},
		"a host that only looks like it": {"email-smtp.us-east-1.amazonaws.com.example", 250, "Ok " + amazon, ""},
		"another host of Amazon's":       {"ec2-1-2-3-4.compute.us-east-1.amazonaws.com", 250, "Ok " + amazon, ""},
		"an ordinary queue id":           {"mail.example.com", 250, "Ok: queued as 4F1B2C", ""},
		"a queue id that is too short":   {"email-smtp.eu-west-1.amazonaws.com", 250, "Ok 0100-000000", ""},
		"an address, then the id":        {"mail.example.com", 250, "sent <> <nobody> as <1@x.example>", "<1@x.example>"},
		"a refusal":                      {"mail.example.com", 550, "spam <1@x.example>", ""},
		"no answer":                      {"mail.example.com", 0, "found in Sent <1@x.example>", ""},
		"unclosed":                       {"mail.example.com", 250, "OK <1@x.example", ""},
		"with a line end":                {"mail.example.com", 250, "OK <1@x.example\r\nA1 LOGOUT>", ""},
		"with quotes":                    {"mail.example.com", 250, `OK <1"@x.example>`, ""},
		"too long":                       {"mail.example.com", 250, "OK <" + strings.Repeat("a", maxAssigned) + "@x.example>", ""},
	} {
		if got := assignedID(tc.host, relay.Reply{Code: tc.code, Text: tc.text}); got != tc.want {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
	}
}

// Both ids are searched, and only where the card says that answers name ids.
func TestHeaderIDs(t *testing.T) {
	t.Parallel()
	filing := &relay.Filing{Message: &relay.Message{HeaderID: "<own@acme.example>"}, Reply: relay.Reply{Code: 250, Text: "OK <given@x.example>"}}
	for _, tc := range []struct {
		names bool
		text  string
		want  string
	}{
		{true, "OK <given@x.example>", "<own@acme.example> <given@x.example>"},
		{false, "OK <given@x.example>", "<own@acme.example>"},
		{true, "OK", "<own@acme.example>"},
		{true, "OK <own@acme.example>", "<own@acme.example>"},
	} {
		filing.Reply.Text = tc.text
		a := &relay.Account{Card: relay.Card{ReplyNamesID: tc.names}}
		if got := strings.Join(headerIDs(a, filing), " "); got != tc.want {
			t.Errorf("%q, named %v: %s, want %s", tc.text, tc.names, got, tc.want)
		}
	}
}

// Whatever a provider answers, what comes out can be put into a SEARCH.
func FuzzAssignedID(f *testing.F) {
	f.Add("smtp-mail.outlook.com", "OK <a@b.prod.outlook.com> [Hostname=x]")
	f.Add("email-smtp.us-east-1.amazonaws.com", "Ok "+amazon)
	f.Add("smtp.mail..awsapps.com", "Ok "+amazon)
	f.Add("email-smtp.\r\n.amazonaws.com", "<<<>>@<a@b")
	f.Fuzz(func(t *testing.T, host, text string) {
		id := assignedID(host, relay.Reply{Code: 250, Text: text})
		if id == "" {
			return
		}
		if !strings.HasPrefix(id, "<") || !strings.HasSuffix(id, ">") || !isMessageID(id[1:len(id)-1]) {
			t.Errorf("%q at %q gives %q", text, host, id)
		}
	})
}
