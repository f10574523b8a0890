package promises

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// proof is a test that would fail if a promise were broken.
type proof struct{ dir, test string }

// promises says where each promise is put to the test: on the built program first,
// then in the packages that keep it.
func promises() map[string][]proof {
	return map[string][]proof{
		// A message answered 250 survives kill -9, out of memory, and power loss.
		"G1": {
			{"test/crash", "TestKillUnderLoadLosesNothing"},
			{"test/crash", "TestKillBesideEveryFlushLosesNothing"},
			{"test/crash", "TestCrashPowerCutLosesNothing"},
			{"test/crash", "TestTortureLostIndexLosesNothing"},
			{"store/journal", "TestAppendSurvivesCrash"},
			{"store/journal", "TestTornTailIsAllOrNothing"},
		},
		// 250 only when durable; faults of ours are temporary; a failed flush is final.
		"G2": {
			{"test/crash", "TestTortureFailedFlushIsFinal"},
			{"test/crash", "TestTortureFailedFlushUnderLoad"},
			{"test/crash", "TestTortureFullDisk"},
			{"test/crash", "TestTortureRoomForOthersIsLeft"},
			{"store/journal", "TestFailedFlushIsFinal"},
		},
		// Every accepted message ends delivered, reported, or held with a reason.
		"G3": {
			{"test/crash", "TestTortureMoodyUpstreamUnderKills"},
			{"test/peers", "TestPasswordChangesAtTheProvider"},
			{"test/providers", "TestConsentIsTakenBack"},
			{"test/peers", "TestOneRecipientIsRefused"},
			{"test/accounts", "TestBrokenAccountsDelayNoOthers"},
			{"relay/queue", "TestParkedAccountHoldsMailUntilItReturns"},
			{"relay/queue", "TestDeferredMailFollowsTheScheduleAndEndsAsDSN"},
		},
		// Kept once, sent once, or twice after an unknown outcome that nobody could look up.
		"G4": {
			{"test/crash", "TestKillUnderLoadLosesNothing"},
			{"test/promises", "TestG4RepeatedSubmissionIsKeptOnce"},
			{"test/promises", "TestG4UnknownOutcomeIsLookedUpBeforeItIsSentAgain"},
			{"test/providers", "TestKillAfterTheDot"},
			{"test/promises", "TestG4UnknownOutcomeThatCannotBeLookedUpIsSentAgainUnchanged"},
			{"relay/queue", "TestUnknownOutcomeIsLookedUpInSent"},
		},
		// The Sent copy is a job of its own.
		"G5": {
			{"test/promises", "TestG5KilledRelaydFilesEachCopyOnce"},
			{"test/providers", "TestProviderFilesLate"},
			{"test/peers", "TestSentCopyIsFiledLater"},
			{"relay/queue", "TestSentCopyIsRetriedForDaysAndNeverResends"},
			{"relay/sent", "TestExactlyOneCopy"},
		},
		// One account's or destination's trouble never delays another's mail.
		"G6": {
			{"test/promises", "TestG6HangingProviderDelaysNoOtherAccount"},
			{"test/promises", "TestG6HangingDestinationDelaysNoOther"},
			{"test/accounts", "TestBrokenAccountsDelayNoOthers"},
			{"test/accounts", "TestMoreSilentAccountsThanPlaces"},
			{"relay/queue", "TestSilentAccountsDelayNoOther"},
			{"relay/sent", "TestOneSlowAccountDelaysNobody"},
		},
		// Memory, files, goroutines and disk have limits.
		"G7": {
			{"test/promises", "TestG7AbuseMakesNothingGrow"},
			{"test/promises", "TestG7QueueHasItsLimits"},
			{"relay/smtpd", "TestR5Connections"},
			{"internal/smtpwire", "TestIdleConnectionIsSmall"},
		},
		// No secret ever appears in clear.
		"G8": {
			{"test/peers", "TestNoSecretShows"},
			{"relay", "TestSecretsNeverShow"},
		},
		// Nobody sends as somebody else.
		"G9": {
			{"test/promises", "TestG9NobodySendsAsSomebodyElse"},
			{"relay/accept", "TestIdentity"},
			{"relay/accept", "TestEnvelopeAndHeader"},
		},
	}
}

// Every promise has a whole-program test, and every test of the list is there.
func TestEveryPromiseHasItsTests(t *testing.T) {
	t.Parallel()
	const known = 9
	all := promises()
	if len(all) != known {
		t.Errorf("%d promises are listed, want %d", len(all), known)
	}
	for promise, proofs := range all {
		whole := false
		for _, p := range proofs {
			whole = whole || strings.HasPrefix(p.dir, "test/")
			if !tests(t, p.dir)[p.test] {
				t.Errorf("%s: %s has no %s", promise, p.dir, p.test)
			}
		}
		if !whole {
			t.Errorf("%s has no test of the whole program", promise)
		}
	}
}

// tests gives the names of the test functions in a folder of the module.
func tests(t *testing.T, dir string) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	files, err := filepath.Glob(filepath.Join("..", "..", filepath.FromSlash(dir), "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		source, err := os.ReadFile(file) //nolint:gosec // the module's own source
		if err != nil {
			t.Fatal(err)
		}
		syntax, err := parser.ParseFile(token.NewFileSet(), file, source, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range syntax.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && strings.HasPrefix(fn.Name.Name, "Test") {
				names[fn.Name.Name] = true
			}
		}
	}
	return names
}
