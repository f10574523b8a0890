package exchange

import "strconv"

// page is the part of a list that a request asks for.
type page struct {
	from, to int
	next     int // the offset that goes on
	total    int
	last     bool
}

// page reads the request's view. Without one, everything is one page.
func (c *call) page(view string, total int) (page, error) {
	v := c.request.find(messagesSpace, view)
	if v == nil {
		return page{to: total, next: total, total: total, last: true}, nil
	}
	size := maxPage
	if text := v.attr("MaxEntriesReturned"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return page{}, refuse("ErrorInvalidPagingMaxRows", "MaxEntriesReturned must be greater than zero.")
		}
		size = min(n, maxPage)
	}
	offset, err := strconv.Atoi(v.attr("Offset"))
	if err != nil || offset < 0 {
		return page{}, refuse("ErrorInvalidIndexedPagingParameters", "Offset must be zero or greater.")
	}
	offset = min(offset, total)
	switch v.attr("BasePoint") {
	case "Beginning":
		to := min(offset+size, total)
		return page{from: offset, to: to, next: to, total: total, last: to == total}, nil
	case "End":
		to := total - offset
		from := max(to-size, 0)
		return page{from: from, to: to, next: total - from, total: total, last: from == 0}, nil
	}
	return page{}, refuse("ErrorInvalidIndexedPagingParameters", "BasePoint must be Beginning or End.")
}

// root wraps a page as FindItem and FindFolder do.
func (p page) root(list *node) *node {
	last := "false"
	if p.last {
		last = "true"
	}
	return messages("RootFolder", list).
		with("IndexedPagingOffset", itoa(p.next)).
		with("TotalItemsInView", itoa(p.total)).
		with("IncludesLastItemInRange", last)
}
