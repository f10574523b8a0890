package discover

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/relayd/relayd/internal/mailaddr"
	"github.com/relayd/relayd/internal/resolver"
	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/relay/provider"
)

// absence tells "there is none" from "nobody could say".
func absence(err error) error {
	if errors.Is(err, resolver.ErrNotFound) || errors.Is(err, resolver.ErrNoData) || errors.Is(err, resolver.ErrUnusable) {
		return errNothing
	}
	return errNoAnswer
}

// exchanger is the look-up of the domain's best MX host, under way.
type exchanger struct {
	done chan struct{}
	host string
	err  error
}

// wait gives the host, or the failure.
func (e *exchanger) wait() (string, error) {
	<-e.done
	return e.host, e.err
}

// exchanger starts the look-up. It ends with ctx, and with its own time.
func (s *search) exchanger(ctx context.Context) *exchanger {
	e := &exchanger{done: make(chan struct{})}
	go func() {
		defer close(e.done)
		ctx, cancel := context.WithTimeout(ctx, s.opts.StepTimeout)
		defer cancel()
		answer, err := s.opts.Resolver.LookupMX(ctx, s.address.Domain)
		switch {
		case err != nil:
			e.err = absence(err)
		case len(answer.Records) == 0:
			e.err = errNothing
		case answer.Records[0].Host == "": // RFC 7505
			e.err = errNoMail
		default:
			// A name with an underscore is a host for the DNS and for nobody else.
			if e.host, err = mailaddr.ParseDomain(answer.Records[0].Host); err != nil {
				e.host, e.err = "", errNothing
			}
		}
	}()
	return e
}

// byMX looks for the provider that the domain's mail is delivered to: among the
// presets first, and if it is on no list, by the files of its own domains.
func (s *search) byMX(host string, err error) []inquiry {
	step := Step{Source: SourceMX, Asked: "Where mail for " + s.address.Domain + " is delivered"}
	if err != nil {
		step.Came = plain(err)
		s.note(step)
		return nil
	}
	preset, match := s.opts.Presets.ByMX(host)
	if match != provider.NoMatch {
		why := whyWeak(SourceMX)
		s.found = append(s.found, s.ofPreset(preset, SourceMX, why)...)
		step.Came, step.Found = "It goes to "+preset.Name+" ("+host+").", true
		s.note(step)
		if s.satisfied() {
			return nil
		}
	} else {
		step.Came = "It goes to " + host + ", which is not on the list of known providers."
		s.note(step)
	}
	var list []inquiry
	for _, domain := range s.hosterDomains(host) {
		list = append(list, s.file(SourceMX, "https://autoconfig."+domain+"/mail/config-v1.1.xml?emailaddress="+s.escaped()))
		list = append(list, s.ispdb(SourceMX, domain)...)
	}
	return list
}

// hosterDomains gives the domains of an MX host: its name without the first label, and
// what of it is registered (draft-ietf-mailmaint-autoconfig §4.3). The address's own
// domain was asked already, and what nobody can own is not asked.
func (s *search) hosterDomains(host string) []string {
	_, parent, _ := strings.Cut(host, ".")
	var out []string
	for _, d := range []string{parent, registered(host)} {
		if d != "" && d != s.address.Domain && ownable(d) && !slices.Contains(out, d) {
			out = append(out, d)
		}
	}
	return out
}

// service is one name under which RFC 6186 and RFC 8314 publish a server.
type service struct {
	name    string
	mode    relay.TLSMode
	tlsPort uint16 // a port that means implicit TLS, whatever the name says
}

// srv asks for the SRV records of both services, implicit TLS first (RFC 8314 §5.1).
func (s *search) srv() inquiry {
	return inquiry{SourceSRV, "The DNS, for servers of " + s.address.Domain, func(ctx context.Context) ([]Suggestion, string, error) {
		var smtp, imap [2][]endpoint
		var all sync.WaitGroup
		for i, mode := range []relay.TLSMode{relay.TLSImplicit, relay.TLSStartTLS} {
			// _submission with port 465 is a frequent mistake and means implicit TLS.
			submission, access := service{"_submission", mode, 465}, service{"_imap", mode, 993}
			if mode == relay.TLSImplicit {
				submission.name, access.name = "_submissions", "_imaps"
			}
			all.Go(func() { smtp[i] = s.records(ctx, submission) })
			all.Go(func() { imap[i] = s.records(ctx, access) })
		}
		all.Wait()
		o := offer{smtp: slices.Concat(smtp[0], smtp[1]), imap: slices.Concat(imap[0], imap[1])}
		if len(o.smtp)+len(o.imap) == 0 {
			return nil, "", errNothing
		}
		return s.suggest(o, SourceSRV)
	}}
}

// records gives the servers of one service, best first.
func (s *search) records(ctx context.Context, wanted service) []endpoint {
	answer, err := s.opts.Resolver.LookupSRV(ctx, wanted.name+"._tcp."+s.address.Domain)
	if err != nil {
		return nil
	}
	var out []endpoint
	for _, record := range answer.Records {
		if record.Host == "" || len(out) == maxPairs { // RFC 6186 §3.4: "." is "not offered"
			continue
		}
		mode := "STARTTLS"
		if wanted.mode == relay.TLSImplicit || record.Port == wanted.tlsPort {
			mode = "SSL"
		}
		if e, ok := endpointOf(record.Host, strconv.Itoa(int(record.Port)), mode); ok {
			out = append(out, e)
		}
	}
	return out
}
