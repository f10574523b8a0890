package discover

import (
	"bytes"
	"encoding/xml"
	"io"
	"strings"
)

// The limits of a document.
const (
	maxDepth = 16
	maxNodes = 2000
)

// node is an element of a document. Namespaces are not looked at: those of
// Autodiscover are written in more than one way.
type node struct {
	name     string
	attrs    map[string]string
	text     string
	children []*node
}

// parseXML reads a whole document. A DTD is refused, and with it every entity of the
// document's own (attack list: entity bombs); so is what is too deep or too rich.
func parseXML(data []byte) (*node, error) {
	d := xml.NewDecoder(bytes.NewReader(data))
	top := new(node)
	open, nodes := []*node{top}, 0
	for {
		token, err := d.Token()
		if err == io.EOF { //nolint:errorlint // the decoder gives it as it is
			break
		}
		if err != nil {
			return nil, errMalformed
		}
		at := open[len(open)-1]
		switch t := token.(type) {
		case xml.Directive:
			return nil, errMalformed
		case xml.StartElement:
			if nodes++; nodes > maxNodes || len(open) > maxDepth {
				return nil, errTooBig
			}
			child := &node{name: t.Name.Local, attrs: map[string]string{}}
			for _, a := range t.Attr {
				child.attrs[a.Name.Local] = a.Value
			}
			at.children = append(at.children, child)
			open = append(open, child)
		case xml.EndElement:
			at.text = strings.TrimSpace(at.text)
			open = open[:len(open)-1]
		case xml.CharData:
			if len(open) > 1 {
				at.text += string(t)
			}
		}
	}
	if len(top.children) != 1 {
		return nil, errMalformed
	}
	return top.children[0], nil
}

// all gives the children of a name.
func (n *node) all(name string) []*node {
	if n == nil {
		return nil
	}
	var out []*node
	for _, c := range n.children {
		if strings.EqualFold(c.name, name) {
			out = append(out, c)
		}
	}
	return out
}

// first gives the first child of a name, or nil.
func (n *node) first(name string) *node {
	if list := n.all(name); len(list) > 0 {
		return list[0]
	}
	return nil
}

// value gives the text of the first child of a name.
func (n *node) value(name string) string {
	if c := n.first(name); c != nil {
		return c.text
	}
	return ""
}
