package exchange

import (
	"errors"
	"net/mail"
)

// resolveNames looks somebody up. There is no address book: the name of a mailbox,
// or one of its addresses, is found when it is given whole.
func (c *call) resolveNames(request *node) ([]*node, error) {
	entry := request.find(messagesSpace, "UnresolvedEntry").content()
	owner, err := c.server.options.Mailboxes.Find(c.context, entry)
	if errors.Is(err, ErrNoMailbox) {
		return nil, refuse("ErrorNameResolutionNoResults", "No results were found.")
	}
	if err != nil {
		return nil, err
	}
	resolution := types("Resolution", mailboxNode(mail.Address{Name: owner.displayName(), Address: owner.Address}))
	return []*node{messages("ResolutionSet", resolution).
		with("TotalItemsInView", "1").with("IncludesLastItemInRange", "true")}, nil
}

// convertID gives ids in the one form that they have here. Clients call it with a
// made-up id, to learn the server's version.
func (c *call) convertID(id *node) ([]*node, error) {
	_, folderOK := unpackID(id.attr("Id"), 2)
	_, itemOK := unpackID(id.attr("Id"), 3)
	if id.local != "AlternateId" || (!folderOK && !itemOK) {
		return nil, refuse("ErrorInvalidIdMalformed", "Id is malformed.")
	}
	if format := c.request.attr("DestinationFormat"); format != "EwsId" || id.attr("Format") != "EwsId" {
		return nil, refuse("ErrorUnsupportedTypeForConversion", "Only EwsId is known.")
	}
	return []*node{messages("AlternateId").
		with("xmlns:xsi", "http://www.w3.org/2001/XMLSchema-instance").with("xmlns:t", typesSpace).with("xsi:type", "t:AlternateIdType").
		with("Format", "EwsId").with("Id", id.attr("Id")).with("Mailbox", id.attr("Mailbox"))}, nil
}

// getServerTimeZones knows one.
func (c *call) getServerTimeZones(request *node) ([]*node, error) {
	const id = "UTC"
	if ids := request.find(messagesSpace, "Ids"); ids != nil {
		wanted := false
		for _, n := range ids.nodes {
			wanted = wanted || n.content() == id
		}
		if !wanted {
			return nil, nil
		}
	}
	zone := types("TimeZoneDefinition").with("Id", id).with("Name", "(UTC) Coordinated Universal Time")
	if request.attr("ReturnFullTimeZoneData") != "false" {
		const period, group = "trule:Microsoft/Registry/UTC/1-Standard", "0"
		transition := func() *node {
			return types("Transition", types("To").with("Kind", "Group").saying(group))
		}
		zone.add(
			types("Periods", types("Period").with("Bias", "PT0S").with("Name", "Standard").with("Id", period)),
			types("TransitionsGroups", types("TransitionsGroup", types("Transition", types("To").with("Kind", "Period").saying(period))).with("Id", group)),
			types("Transitions", transition()))
	}
	return []*node{zone}, nil
}
