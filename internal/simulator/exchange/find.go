package exchange

import (
	"slices"
	"strings"
	"time"
)

// findItem searches a folder.
func (c *call) findItem(target *node) ([]*node, error) {
	f, err := c.folder(target)
	if err != nil {
		return nil, err
	}
	restriction, err := readRestriction(c.request.find(messagesSpace, "Restriction"))
	if err != nil {
		return nil, err
	}
	order, err := c.order()
	if err != nil {
		return nil, err
	}
	var found []Item
	// What was deleted softly, or belongs to a folder's settings, does not exist here.
	if c.request.attr("Traversal") == "Shallow" {
		all, err := c.list(f)
		if err != nil {
			return nil, err
		}
		for _, item := range all {
			if restriction(item, lenient(item.Content)) {
				found = append(found, item)
			}
		}
	}
	slices.SortStableFunc(found, order)
	p, err := c.page("IndexedPageItemView", len(found))
	if err != nil {
		return nil, err
	}
	list := types("Items")
	for _, item := range found[p.from:p.to] {
		list.add(c.shown(f, item, false))
	}
	return []*node{p.root(list)}, nil
}

// order reads the request's SortOrder. Without one, the newest comes first.
func (c *call) order() (func(a, b Item) int, error) {
	sort := c.request.find(messagesSpace, "SortOrder")
	if sort == nil {
		return func(a, b Item) int { return b.Received.Compare(a.Received) }, nil
	}
	var steps []func(a, b Item) int
	for _, step := range sort.nodes {
		p, err := fieldOf(step)
		if err != nil {
			return nil, err
		}
		sign := 1
		if step.attr("Order") == "Descending" {
			sign = -1
		}
		steps = append(steps, func(a, b Item) int {
			return sign * compare(p.value(a, lenient(a.Content)), p.value(b, lenient(b.Content)))
		})
	}
	return func(a, b Item) int {
		for _, step := range steps {
			if d := step(a, b); d != 0 {
				return d
			}
		}
		return 0
	}, nil
}

// matcher decides whether an item is searched for.
type matcher func(Item, message) bool

// readRestriction reads a search (SearchExpression). None finds everything. The
// reader of XML limits its depth.
func readRestriction(n *node) (matcher, error) {
	if n == nil {
		return func(Item, message) bool { return true }, nil
	}
	if len(n.nodes) != 1 {
		return nil, errQuery
	}
	return readExpression(n.nodes[0])
}

var errQuery = refuse("ErrorUnsupportedPathForQuery", "The restriction asks for something that cannot be searched.")

func readExpression(n *node) (matcher, error) {
	if n.space != typesSpace {
		return nil, errQuery
	}
	switch n.local {
	case "And", "Or", "Not":
		return readConnective(n)
	case "Contains":
		return readContains(n)
	case "Exists":
		p, err := fieldOf(n)
		return func(i Item, m message) bool { return p.value(i, m) != "" }, err
	}
	accept, ok := map[string]func(int) bool{
		"IsEqualTo":              func(d int) bool { return d == 0 },
		"IsNotEqualTo":           func(d int) bool { return d != 0 },
		"IsGreaterThan":          func(d int) bool { return d > 0 },
		"IsGreaterThanOrEqualTo": func(d int) bool { return d >= 0 },
		"IsLessThan":             func(d int) bool { return d < 0 },
		"IsLessThanOrEqualTo":    func(d int) bool { return d <= 0 },
	}[n.local]
	constant := n.find(typesSpace, "FieldURIOrConstant", "Constant")
	if !ok || constant == nil {
		return nil, errQuery
	}
	p, err := fieldOf(n)
	if err != nil {
		return nil, err
	}
	wanted := constant.attr("Value")
	return func(i Item, m message) bool { return accept(compare(p.value(i, m), wanted)) }, nil
}

func readConnective(n *node) (matcher, error) {
	var parts []matcher
	for _, c := range n.nodes {
		part, err := readExpression(c)
		if err != nil {
			return nil, err
		}
		parts = append(parts, part)
	}
	if len(parts) == 0 || (n.local == "Not" && len(parts) != 1) {
		return nil, errQuery
	}
	return func(i Item, m message) bool {
		holds := func(part matcher) bool { return part(i, m) }
		switch n.local {
		case "And":
			return !slices.ContainsFunc(parts, func(part matcher) bool { return !holds(part) })
		case "Or":
			return slices.ContainsFunc(parts, holds)
		}
		return !holds(parts[0])
	}, nil
}

func readContains(n *node) (matcher, error) {
	constant := n.find(typesSpace, "Constant")
	p, err := fieldOf(n)
	if err != nil {
		return nil, err
	}
	in := map[string]func(s, part string) bool{
		"FullString": func(s, part string) bool { return s == part },
		"Prefixed":   strings.HasPrefix,
		"Substring":  strings.Contains,
	}[n.attr("ContainmentMode")]
	if constant == nil || in == nil {
		return nil, errQuery
	}
	fold := strings.Contains(n.attr("ContainmentComparison"), "IgnoreCase") || n.attr("ContainmentComparison") == "Loose"
	wanted := constant.attr("Value")
	return func(i Item, m message) bool {
		value := p.value(i, m)
		if fold {
			return in(strings.ToLower(value), strings.ToLower(wanted))
		}
		return in(value, wanted)
	}, nil
}

// fieldOf finds the property that an expression is about.
func fieldOf(n *node) (property, error) {
	uri := n.find(typesSpace, "FieldURI").attr("FieldURI")
	all := properties()
	i := slices.IndexFunc(all, func(p property) bool { return p.uri == uri && p.value != nil })
	if i < 0 {
		return property{}, errQuery
	}
	return all[i], nil
}

// compare orders times and numbers as such, and everything else as text.
func compare(a, b string) int {
	at, aErr := time.Parse(time.RFC3339, a)
	bt, bErr := time.Parse(time.RFC3339, b)
	if aErr == nil && bErr == nil {
		return at.Compare(bt)
	}
	if an, bn := len(a), len(b); isNumber(a) && isNumber(b) && an != bn {
		return an - bn
	}
	return strings.Compare(a, b)
}

func isNumber(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}
