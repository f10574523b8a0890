package exchange

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// The namespaces of the web services. Microsoft's own pages print some of them with
// https; servers and clients speak of http.
const (
	soapSpace     = "http://schemas.xmlsoap.org/soap/envelope/"
	typesSpace    = "http://schemas.microsoft.com/exchange/services/2006/types"
	messagesSpace = "http://schemas.microsoft.com/exchange/services/2006/messages"
	errorsSpace   = "http://schemas.microsoft.com/exchange/services/2006/errors"
)

// node is an XML element with what is in it.
type node struct {
	space, local string
	attributes   []attribute
	nodes        []*node
	text         []byte
}

type attribute struct{ name, value string }

func types(local string, inside ...*node) *node {
	return &node{space: typesSpace, local: local, nodes: inside}
}

func messages(local string, inside ...*node) *node {
	return &node{space: messagesSpace, local: local, nodes: inside}
}

// with adds an attribute.
func (n *node) with(name, value string) *node {
	n.attributes = append(n.attributes, attribute{name, value})
	return n
}

// saying sets the text.
func (n *node) saying(text string) *node {
	n.text = []byte(text)
	return n
}

func (n *node) add(inside ...*node) *node {
	n.nodes = append(n.nodes, inside...)
	return n
}

// find follows names through first children; nil when one is missing. A nil node
// has no children.
func (n *node) find(space string, path ...string) *node {
	for _, local := range path {
		if n == nil {
			return nil
		}
		var next *node
		for _, c := range n.nodes {
			if c.space == space && c.local == local {
				next = c
				break
			}
		}
		n = next
	}
	return n
}

// attr is the value of an attribute, or empty.
func (n *node) attr(name string) string {
	if n == nil {
		return ""
	}
	for _, a := range n.attributes {
		if a.name == name {
			return a.value
		}
	}
	return ""
}

// content is the text without the space around it.
func (n *node) content() string {
	if n == nil {
		return ""
	}
	return strings.TrimSpace(string(n.text))
}

func itoa(n int) string { return strconv.Itoa(n) }

// errXML says that a document breaks a limit or a rule; the reader's own errors come
// beside it.
var errXML = errors.New("unusable XML")

// readXML reads one document. The caller limits its bytes.
func readXML(r io.Reader) (*node, error) {
	d := xml.NewDecoder(r)
	var open []*node // from the root to the element that is open
	var root *node
	count := 0
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) && root != nil {
			return root, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read XML: %w", err)
		}
		switch t := token.(type) {
		case xml.Directive: // a DTD could define entities without end
			return nil, fmt.Errorf("%w: a document type", errXML)
		case xml.StartElement:
			count++
			n, err := newNode(t)
			switch {
			case err != nil:
				return nil, err
			case count > maxNodes || len(open) >= maxDepth:
				return nil, fmt.Errorf("%w: too many elements, or too deep", errXML)
			case len(open) > 0:
				open[len(open)-1].add(n)
			case root != nil:
				return nil, fmt.Errorf("%w: two roots", errXML)
			default:
				root = n
			}
			open = append(open, n)
		case xml.EndElement:
			open = open[:len(open)-1]
		case xml.CharData:
			if len(open) == 0 {
				if len(bytes.TrimSpace(t)) > 0 {
					return nil, fmt.Errorf("%w: text outside the root", errXML)
				}
				continue
			}
			last := open[len(open)-1]
			last.text = append(last.text, t...)
		}
	}
}

func newNode(t xml.StartElement) (*node, error) {
	if len(t.Attr) > maxAttributes {
		return nil, fmt.Errorf("%w: too many attributes", errXML)
	}
	n := &node{space: t.Name.Space, local: t.Name.Local}
	for _, a := range t.Attr {
		if a.Name.Space == "xmlns" || a.Name.Local == "xmlns" {
			continue
		}
		n.with(a.Name.Local, a.Value)
	}
	return n, nil
}

// prefixOf gives the prefix that clients are used to; other namespaces are written
// as the default one.
func prefixOf(space string) string {
	switch space {
	case soapSpace:
		return "s"
	case typesSpace:
		return "t"
	case messagesSpace:
		return "m"
	case errorsSpace:
		return "e"
	}
	return ""
}

// write gives the document with the node as its root.
func (n *node) write() []byte {
	var b bytes.Buffer
	b.WriteString(xml.Header)
	n.writeTo(&b, map[string]bool{}, "")
	return b.Bytes()
}

// writeTo declares a namespace where it is first used. declared holds those of the
// elements around, and defaults is the default one there.
func (n *node) writeTo(b *bytes.Buffer, declared map[string]bool, defaults string) {
	name, prefix := n.local, prefixOf(n.space)
	if prefix != "" {
		name = prefix + ":" + name
	}
	b.WriteString("<" + name)
	fresh := prefix != "" && !declared[n.space]
	switch {
	case fresh:
		declared[n.space] = true
		defer delete(declared, n.space)
		b.WriteString(` xmlns:` + prefix + `="` + n.space + `"`)
	case prefix == "" && n.space != defaults:
		defaults = n.space
		b.WriteString(` xmlns="` + escape(n.space) + `"`)
	}
	for _, a := range n.attributes {
		b.WriteString(` ` + a.name + `="` + escape(a.value) + `"`)
	}
	if len(n.nodes) == 0 && len(n.text) == 0 {
		b.WriteString("/>")
		return
	}
	b.WriteString(">")
	b.WriteString(escape(string(n.text)))
	for _, c := range n.nodes {
		c.writeTo(b, declared, defaults)
	}
	b.WriteString("</" + name + ">")
}

func escape(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a Builder takes everything
	return b.String()
}
