package exchange

import "slices"

// Release is a version of Exchange, by the name that clients ask for.
type Release string

// The releases. Microsoft documents the names up to Exchange2013SP1; the later ones
// are those that clients use.
const (
	Exchange2007    Release = "Exchange2007"
	Exchange2007SP1 Release = "Exchange2007_SP1"
	Exchange2010    Release = "Exchange2010"
	Exchange2010SP1 Release = "Exchange2010_SP1"
	Exchange2010SP2 Release = "Exchange2010_SP2"
	Exchange2013    Release = "Exchange2013"
	Exchange2013SP1 Release = "Exchange2013_SP1"
	Exchange2016    Release = "Exchange2016"
	Exchange2019    Release = "Exchange2019"
	ExchangeSE      Release = "ExchangeSE"
)

// Releases are all of them, the oldest first.
func Releases() []Release {
	var names []Release
	for _, b := range builds() {
		names = append(names, b.release)
	}
	return names
}

// build is how a release numbers itself in ServerVersionInfo.
type build struct {
	release                    Release
	major, minor, number, part int
	schema                     string // attribute Version; servers before 2013 have none
}

// builds is ordered from the oldest to the newest.
func builds() []build {
	return []build{
		{Exchange2007, 8, 0, 685, 25, ""},
		{Exchange2007SP1, 8, 1, 240, 6, ""},
		{Exchange2010, 14, 0, 639, 21, ""},
		{Exchange2010SP1, 14, 1, 218, 15, ""},
		{Exchange2010SP2, 14, 2, 247, 5, ""},
		{Exchange2013, 15, 0, 516, 32, "V2_1"},
		{Exchange2013SP1, 15, 0, 847, 32, "V2_8"},
		{Exchange2016, 15, 1, 2507, 6, "V2017_07_11"},
		{Exchange2019, 15, 2, 1544, 4, "V2017_07_11"},
		{ExchangeSE, 15, 2, 2562, 17, "V2017_07_11"},
	}
}

func buildOf(r Release) (build, bool) {
	all := builds()
	i := slices.IndexFunc(all, func(b build) bool { return b.release == r })
	if i < 0 {
		return build{}, false
	}
	return all[i], true
}

// upTo gives the releases that a server understands: its own and all before.
func upTo(r Release) []Release {
	var names []Release
	for _, b := range builds() {
		names = append(names, b.release)
		if b.release == r {
			break
		}
	}
	return names
}

// info is the header that every answer carries.
func (b build) info() *node {
	n := types("ServerVersionInfo").
		with("MajorVersion", itoa(b.major)).with("MinorVersion", itoa(b.minor)).
		with("MajorBuildNumber", itoa(b.number)).with("MinorBuildNumber", itoa(b.part))
	if b.schema != "" {
		n.with("Version", b.schema)
	}
	return n
}

// hex packs the number as Autodiscover does: 4 bits for the form, 6 for major and
// minor each, a flag, 15 for the build.
func (b build) hex() uint32 {
	const form, flag = 7, 1
	return form<<28 | uint32(b.major)<<22 | uint32(b.minor)<<16 | flag<<15 | uint32(b.number)&0x7fff
}
