package soap

import (
	"fmt"
	"strings"
)

// A requestBuilder makes a Request out of the tokens of its envelope. Two tokenizers feed it, xmlScanner and
// parseXML, and everything but the cutting into tokens happens here, so that they cannot differ: nesting, matching of
// tags, namespaces, bounds, and what each element means.
//
// Its rules are those of XML with namespaces, and then the lenient ones of X6: elements are known by their local
// names, Envelope and Body alone by their namespace too.
//
// Strings that it is given may share memory with the body; request copies those that it keeps.
type requestBuilder struct {
	text  string // the whole envelope, to say in which line something is
	at    int    // where in text the present token begins; kept by the tokenizer
	depth int    // deepest nesting allowed
	req   Request

	begun    bool   // a token was seen
	rootDone bool   // the Envelope was closed
	envelope string // the namespace of the Envelope
	body     bool   // there was a Body
	stray    string // a child of the Envelope that is neither Header nor Body

	frames   []xmlFrame   // the open elements
	bindings []xmlBinding // the namespace declarations in scope, innermost last
	declared string       // the prefix that was last found declared, as long as bindings stay the same
	attrs    []xmlAttr    // room for the tokenizer

	order     int     // the contract's place of the latest criterion, from 1
	section   int     // the same of the latest child of the operation
	list      *[]Text // the list that is open
	child     string  // what an item of it holds: Item, AppItem, DevName or DirNumber
	held      bool    // the open item has held one
	leaf      *Text   // the text element that is open; nil when it is a repetition, of which the first counts
	stateSeen bool    // a StateInfo was read
	nilNow    bool    // the open text element or StateInfo is nil

	wanted bool   // the text of the innermost open element is kept
	view   string // its text so far while that is in one piece
	buf    []byte // its text so far otherwise
	tag    bool   // buf ends within a start tag of a nested StateInfo

	room struct { // what an ordinary request needs, so that all of it is one allocation
		frames   [8]xmlFrame
		bindings [6]xmlBinding
		attrs    [6]xmlAttr
	}
}

type xmlFrame struct {
	name     string // as written, with its prefix
	bindings int32  // how many bindings there were outside of it
	place    xmlPlace
}

// xmlBinding is a namespace declaration; the empty prefix is the default namespace.
type xmlBinding struct{ prefix, uri string }

// xmlAttr is an attribute as written. colon is where in name the prefix ends, -1 without one.
type xmlAttr struct {
	name  string
	colon int
	value string
}

func (a xmlAttr) prefix() string { return a.name[:max(a.colon, 0)] }
func (a xmlAttr) local() string  { return a.name[a.colon+1:] }

// xmlPlace says what an open element is.
type xmlPlace uint8

const (
	inDocument xmlPlace = iota // outside of every element
	inEnvelope
	inBody
	inOperation
	inCriteria
	inList   // SelectItems, AppItems, DevNames, DirNumbers
	inItem   // an item of one of them
	inLeaf   // an element whose text is wanted
	inState  // StateInfo
	inNested // an element within StateInfo (X6)
	inSkipped
)

const (
	soap11NS  = "http://schemas.xmlsoap.org/soap/envelope/"
	soap12NS  = "http://www.w3.org/2003/05/soap-envelope"
	xsiNS     = "http://www.w3.org/2001/XMLSchema-instance"
	xmlNS     = "http://www.w3.org/XML/1998/namespace"
	envelopes = soap11NS + " (SOAP 1.1) or " + soap12NS + " (SOAP 1.2)"
)

// reset makes a builder ready for a text. Of an earlier one it keeps the memory of lists, and of what was open at once.
func (b *requestBuilder) reset(text string, limits Limits) {
	if b.frames == nil {
		b.frames, b.bindings, b.attrs = b.room.frames[:0], b.room.bindings[:0], b.room.attrs[:0]
	}
	r := &b.req
	*r = Request{Items: r.Items[:0], DevNames: r.DevNames[:0], DirNumbers: r.DirNumbers[:0]}
	b.text, b.at, b.depth = text, 0, limits.Depth
	if b.depth <= 0 {
		b.depth = defaultDepth
	}
	b.begun, b.rootDone, b.envelope, b.body, b.stray = false, false, "", false, ""
	b.frames, b.bindings, b.declared, b.attrs = b.frames[:0], b.bindings[:0], "", b.attrs[:0]
	b.order, b.section, b.list, b.child, b.held, b.leaf, b.stateSeen, b.nilNow = 0, 0, nil, "", false, nil, false, false
	b.wanted, b.view, b.buf, b.tag = false, "", b.buf[:0], false
}

// malformed refuses what is not XML and says in which line.
func (b *requestBuilder) malformed(format string, args ...any) *Fault {
	return malformedAt(1+strings.Count(b.text[:b.at], "\n"), fmt.Sprintf(format, args...))
}

func malformedAt(line int, what string) *Fault {
	return decodeFault("Not XML: line %d: %s; expected a SOAP envelope", line, what)
}

// declaration takes the XML declaration, or what looks like it: data is all between its target and its end.
func (b *requestBuilder) declaration(target, data string) *Fault {
	if b.begun || target != "xml" {
		return b.malformed("<?%s stands within the document, and may only stand at its very start", target)
	}
	if _, ok := declaredCharset(data); !ok {
		return b.malformed(`the XML declaration is %q, not one like version="1.0" encoding="utf-8"`, clip(trimSpace(data)))
	}
	b.begun = true
	return nil
}

// doctype takes the start of a document type declaration, of which nothing is read.
func (b *requestBuilder) doctype() *Fault {
	return decodeFault("DTD refused: line %d: found <!, the start of a document type declaration; expected an envelope without one",
		1+strings.Count(b.text[:b.at], "\n"))
}

// start takes a start tag.
func (b *requestBuilder) start(name string, colon int, attrs []xmlAttr) *Fault {
	b.begun = true
	if len(b.frames) == b.depth {
		return decodeFault("Too deep: line %d: elements nest more than %d deep", 1+strings.Count(b.text[:b.at], "\n"), b.depth)
	}
	outside := int32(len(b.bindings))
	if len(attrs) > 0 {
		if fault := b.attributes(name, attrs); fault != nil {
			return fault
		}
	}
	if colon > 0 {
		if prefix := name[:colon]; prefix != b.declared {
			if _, ok := b.namespace(prefix); !ok {
				return b.undeclared(prefix)
			}
			b.declared = prefix
		}
	}
	place, fault := b.enter(name, colon, attrs)
	if fault != nil {
		return fault
	}
	b.wanted = place == inLeaf || place == inState
	b.frames = append(b.frames, xmlFrame{name: name, place: place, bindings: outside})
	return nil
}

// attributes brings the namespace declarations among attrs into scope and checks the attributes themselves.
func (b *requestBuilder) attributes(element string, attrs []xmlAttr) *Fault {
	if len(attrs) > maxAttributes {
		return decodeFault("Too many attributes: line %d: <%s> has more than %d",
			1+strings.Count(b.text[:b.at], "\n"), clip(element), maxAttributes)
	}
	for i, a := range attrs {
		for _, earlier := range attrs[:i] {
			if earlier.name == a.name {
				return b.malformed("<%s> has the attribute %s twice", clip(element), clip(a.name))
			}
		}
		switch {
		case a.name == "xmlns":
			b.bindings = append(b.bindings, xmlBinding{"", a.value})
		case a.prefix() == "xmlns":
			b.bindings = append(b.bindings, xmlBinding{a.local(), a.value})
		default:
			continue
		}
		b.declared = ""
	}
	if len(b.bindings) > maxPrefixes {
		return decodeFault("Too many namespaces: line %d: more than %d declarations are in scope",
			1+strings.Count(b.text[:b.at], "\n"), maxPrefixes)
	}
	for _, a := range attrs {
		if prefix := a.prefix(); prefix != "" && prefix != "xmlns" {
			if _, ok := b.namespace(prefix); !ok {
				return b.undeclared(prefix)
			}
		}
	}
	return nil
}

func (b *requestBuilder) undeclared(prefix string) *Fault {
	return b.malformed("the prefix %q is not declared", clip(prefix))
}

// namespace resolves a prefix; the empty one is the default namespace, which is always declared.
func (b *requestBuilder) namespace(prefix string) (uri string, ok bool) {
	for i := len(b.bindings) - 1; i >= 0; i-- {
		if b.bindings[i].prefix == prefix {
			uri = b.bindings[i].uri
			return uri, uri != "" || prefix == ""
		}
	}
	if prefix == "xml" {
		return xmlNS, true
	}
	return "", prefix == ""
}

// isNil says whether attributes hold xsi:nil.
func (b *requestBuilder) isNil(attrs []xmlAttr) bool {
	for _, a := range attrs {
		if a.colon > 0 && a.local() == "nil" {
			if uri, _ := b.namespace(a.prefix()); uri == xsiNS {
				v := trimSpace(a.value)
				return v == "true" || v == "1"
			}
		}
	}
	return false
}

// enter says what an element is, from where it stands and its name.
func (b *requestBuilder) enter(name string, colon int, attrs []xmlAttr) (xmlPlace, *Fault) {
	local := name[colon+1:]
	parent := inDocument
	if n := len(b.frames); n > 0 {
		parent = b.frames[n-1].place
	}
	switch parent {
	case inDocument:
		return inEnvelope, b.enterEnvelope(name, colon)

	case inEnvelope:
		uri, _ := b.namespace(name[:max(colon, 0)])
		switch {
		case local == "Body" && uri == b.envelope && b.body:
			return 0, decodeFault("Not SOAP: found a second Body, expected one Envelope with one Body")
		case local == "Body" && uri == b.envelope:
			b.body = true
			return inBody, nil
		case local == "Header" && uri == b.envelope:
		case b.stray == "":
			b.stray = fmt.Sprintf(", but the element %q in the namespace %q", clip(local), clip(uri))
		}
		return inSkipped, nil

	case inBody:
		return inOperation, b.enterOperation(local)

	case inOperation:
		criteria := "CmSelectionCriteria"
		if b.req.Op == SelectCtiItem {
			criteria = "CtiSelectionCriteria"
		}
		switch local {
		case "StateInfo":
			b.inOrder(&b.section, 1, local)
			b.begin(attrs)
			return inState, nil
		case criteria:
			b.inOrder(&b.section, 2, local)
			return inCriteria, nil
		}

	case inCriteria:
		order, leaf, list, child := b.req.criterion(local)
		switch {
		case leaf != nil:
			if !b.inOrder(&b.order, order, local) && leaf.Presence != Absent {
				leaf = nil
			}
			b.leaf = leaf
			b.begin(attrs)
			return inLeaf, nil
		case list != nil:
			b.inOrder(&b.order, order, local)
			b.list, b.child = list, child
			return inList, nil
		}

	case inList:
		if local == "item" {
			b.held = false
			return inItem, nil
		}

	case inItem:
		if local == b.child {
			if b.held && b.req.OutOfOrder == "" {
				b.req.OutOfOrder = local
			}
			b.held = true
			b.leaf = b.newItem()
			b.begin(attrs)
			return inLeaf, nil
		}

	case inState, inNested:
		b.nest(local, attrs)
		return inNested, nil

	case inSkipped:
		return inSkipped, nil
	}
	if b.req.Unknown == "" {
		b.req.Unknown = local
	}
	return inSkipped, nil
}

// enterEnvelope checks the outermost element, whose namespace tells the SOAP version.
func (b *requestBuilder) enterEnvelope(name string, colon int) *Fault {
	if b.rootDone {
		return b.malformed("found <%s> after the end of the Envelope", clip(name))
	}
	local := name[colon+1:]
	uri, _ := b.namespace(name[:max(colon, 0)])
	switch {
	case local != "Envelope":
		return decodeFault("Not SOAP: found the element %q, expected Envelope in the namespace %s", clip(local), envelopes)
	case uri != soap11NS && uri != soap12NS:
		return decodeFault("Not SOAP: found Envelope in the namespace %q, expected %s", clip(uri), envelopes)
	}
	b.envelope = uri
	b.req.SOAP12 = uri == soap12NS
	return nil
}

// enterOperation dispatches on the first element of the Body (rule H3).
func (b *requestBuilder) enterOperation(local string) *Fault {
	if b.req.Op != NoOperation {
		return decodeFault("More than one operation: found %q and %q in the Body, expected one", b.req.Op, clip(local))
	}
	for op := SelectCmDevice; op <= SelectCtiItem; op++ {
		if op.String() == local {
			b.req.Op = op
			return nil
		}
	}
	return decodeFault("Unknown operation: found %q in the Body, %s", clip(local), operationList)
}

// criterion gives the contract's place, from 1, of a criterion, and either the text that it fills or the list and
// what an item of that holds. Both are nil when the contract does not have it.
func (r *Request) criterion(name string) (order int, leaf *Text, list *[]Text, child string) {
	if r.Op == SelectCtiItem {
		switch name {
		case "MaxReturnedItems":
			return 1, &r.Max, nil, ""
		case "CtiMgrClass":
			return 2, &r.Class, nil, ""
		case "Status":
			return 3, &r.Status, nil, ""
		case "NodeName":
			return 4, &r.NodeName, nil, ""
		case "SelectAppBy":
			return 5, &r.SelectBy, nil, ""
		case "AppItems":
			return 6, nil, &r.Items, "AppItem"
		case "DevNames":
			return 7, nil, &r.DevNames, "DevName"
		case "DirNumbers":
			return 8, nil, &r.DirNumbers, "DirNumber"
		}
		return 0, nil, nil, ""
	}
	switch name {
	case "MaxReturnedDevices":
		return 1, &r.Max, nil, ""
	case "DeviceClass":
		return 2, &r.Class, nil, ""
	case "Model":
		return 3, &r.Model, nil, ""
	case "Status":
		return 4, &r.Status, nil, ""
	case "NodeName":
		return 5, &r.NodeName, nil, ""
	case "SelectBy":
		return 6, &r.SelectBy, nil, ""
	case "SelectItems":
		return 7, nil, &r.Items, "Item"
	case "Protocol":
		return 8, &r.Protocol, nil, ""
	case "DownloadStatus":
		return 9, &r.DownloadStatus, nil, ""
	}
	return 0, nil, nil, ""
}

// inOrder moves on to an element, and notes the first one that does not come after all before it (rule X6).
func (b *requestBuilder) inOrder(latest *int, place int, local string) bool {
	if place > *latest {
		*latest = place
		return true
	}
	if b.req.OutOfOrder == "" {
		b.req.OutOfOrder = local
	}
	return false
}

// begin starts an element whose text is wanted.
func (b *requestBuilder) begin(attrs []xmlAttr) {
	b.view, b.buf = "", b.buf[:0]
	b.nilNow = len(attrs) > 0 && b.isNil(attrs)
}

// newItem lengthens the open list by an absent text.
func (b *requestBuilder) newItem() *Text {
	if cap(*b.list) == 0 {
		// As many as may well follow: an item takes about 50 bytes, and most requests have no more than 1,000.
		*b.list = make([]Text, 0, 1+min(1000, (len(b.text)-b.at)/50))
	}
	*b.list = append(*b.list, Text{})
	return &(*b.list)[len(*b.list)-1]
}

// chars takes a piece of text; pieces of one text may come one by one. It need not be called unless wanted is set.
func (b *requestBuilder) chars(piece string) {
	switch {
	case !b.wanted:
	case b.view == "" && len(b.buf) == 0:
		b.view = piece
	default:
		b.intoBuf()
		b.buf = append(b.buf, piece...)
	}
}

func (b *requestBuilder) intoBuf() {
	b.buf = append(b.buf, b.view...)
	b.view = ""
}

// outside takes all of a text that stands outside of the Envelope.
func (b *requestBuilder) outside(text string) *Fault {
	b.begun = true
	if trimSpace(text) != "" {
		return b.malformed("found the text %q outside of the Envelope", clip(trimSpace(text)))
	}
	return nil
}

// value is the text of the element that ends: trimmed, and with nil going before whatever it holds.
func (b *requestBuilder) value() Text {
	switch {
	case b.nilNow:
		return Text{Presence: Nil}
	case len(b.buf) > 0:
		b.view = string(b.buf)
	}
	if v := trimSpace(b.view); v != "" {
		return Text{Value: v, Presence: Given}
	}
	return Text{Presence: Empty}
}

// nest writes the start tag of an element within StateInfo, so that it reads as the string that the contract wants
// there: no prefixes, no namespaces, and no text, since a StateInfo says everything in attributes (rule N1).
func (b *requestBuilder) nest(local string, attrs []xmlAttr) {
	b.intoBuf()
	b.closeTag()
	b.buf = append(b.buf, '<')
	b.buf = append(b.buf, local...)
	for _, a := range attrs {
		if a.colon > 0 || a.name == "xmlns" {
			continue
		}
		b.buf = append(b.buf, ' ')
		b.buf = append(b.buf, a.name...)
		b.buf = append(b.buf, '=', '"')
		for i := 0; i < len(a.value); i++ {
			switch c := a.value[i]; c {
			case '&':
				b.buf = append(b.buf, "&amp;"...)
			case '<':
				b.buf = append(b.buf, "&lt;"...)
			case '"':
				b.buf = append(b.buf, "&quot;"...)
			default:
				b.buf = append(b.buf, c)
			}
		}
		b.buf = append(b.buf, '"')
	}
	b.tag = true
}

func (b *requestBuilder) closeTag() {
	if b.tag {
		b.buf = append(b.buf, '>')
		b.tag = false
	}
}

// end takes an end tag.
func (b *requestBuilder) end(name string) *Fault {
	last := len(b.frames) - 1
	if last < 0 {
		return b.malformed("found </%s> outside of the Envelope", clip(name))
	}
	frame := &b.frames[last]
	if frame.name != name {
		return b.malformed("element <%s> is closed by </%s>", clip(frame.name), clip(name))
	}
	switch frame.place {
	case inEnvelope:
		b.rootDone = true
		if !b.body {
			return decodeFault("Not SOAP: found no Body in the Envelope%s; expected one in the namespace %s", b.stray, b.envelope)
		}
	case inBody:
		if b.req.Op == NoOperation {
			return decodeFault("No operation: found no element in the Body, %s", operationList)
		}
	case inItem:
		if !b.held {
			b.newItem()
		}
	case inLeaf:
		if b.leaf != nil {
			*b.leaf = b.value()
		}
	case inState:
		if !b.stateSeen {
			b.req.StateInfo = b.value().Value
			b.stateSeen = true
		}
	case inNested:
		if b.tag {
			b.buf = append(b.buf, '/', '>')
			b.tag = false
		} else {
			b.buf = append(b.buf, '<', '/')
			b.buf = append(b.buf, name[strings.IndexByte(name, ':')+1:]...)
			b.buf = append(b.buf, '>')
		}
	}
	if len(b.bindings) > int(frame.bindings) {
		b.bindings = b.bindings[:frame.bindings]
		b.declared = ""
	}
	b.frames = b.frames[:last]
	b.wanted = last > 0 && (b.frames[last-1].place == inLeaf || b.frames[last-1].place == inState)
	return nil
}

// finish takes the end of the text.
func (b *requestBuilder) finish() *Fault {
	switch {
	case len(b.frames) > 0:
		return b.malformed("the text ends within <%s>", clip(b.frames[len(b.frames)-1].name))
	case !b.rootDone:
		return b.malformed("there is no element")
	}
	return nil
}

// request gives the Request, once finish found nothing wrong. Its strings are pieces of one new string, so that
// keeping a request keeps only what was asked, not the envelope it came in.
func (b *requestBuilder) request() *Request {
	req := &b.req
	texts := [...]*string{
		&req.StateInfo, &req.OutOfOrder, &req.Unknown, &req.Max.Value, &req.Class.Value, &req.Model.Value, &req.Status.Value,
		&req.NodeName.Value, &req.SelectBy.Value, &req.Protocol.Value, &req.DownloadStatus.Value,
	}
	lists := [...][]Text{req.Items, req.DevNames, req.DirNumbers}
	size := 0
	for _, s := range texts {
		size += len(*s)
	}
	for _, list := range lists {
		for i := range list {
			size += len(list[i].Value)
		}
	}
	var kept strings.Builder
	kept.Grow(size)
	keep := func(s *string) {
		from := kept.Len()
		kept.WriteString(*s)
		*s = kept.String()[from:]
	}
	for _, s := range texts {
		keep(s)
	}
	for _, list := range lists {
		for i := range list {
			keep(&list[i].Value)
		}
	}
	return req
}
