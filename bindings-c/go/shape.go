package aster

import (
	"fmt"
	"reflect"
	"strings"
	"sync"
	"time"
)

// shape is a Go type as a contract type: its text, its fields, and how its values look as JSON.
type shape struct {
	typ    reflect.Type
	text   string
	kind   shapeKind
	fields []field
	// key and item are the parts of maps, lists, sets and optional values.
	key, item *shape
	enum      *members
}

type field struct {
	name     string
	index    []int
	shape    *shape
	required bool
}

type shapeKind int

const (
	textShape shapeKind = iota
	boolShape
	signedShape
	unsignedShape
	floatShape
	bytesShape
	timeShape
	dateShape
	durationShape
	decimalShape
	uuidShape
	enumShape
	optionalShape
	listShape
	setShape
	mapShape
	messageShape
)

type primitive struct {
	text string
	kind shapeKind
}

// known are the Go types that have a primitive type of their own.
var known = map[reflect.Type]primitive{
	reflect.TypeOf(time.Time{}):      {"timestamp", timeShape},
	reflect.TypeOf(time.Duration(0)): {"duration", durationShape},
	reflect.TypeOf(Date{}):           {"date", dateShape},
	reflect.TypeOf(Decimal("")):      {"decimal", decimalShape},
	reflect.TypeOf(UUID{}):           {"uuid", uuidShape},
}

// scalars are the Go kinds that have a primitive type.
var scalars = map[reflect.Kind]primitive{
	reflect.String:  {"string", textShape},
	reflect.Bool:    {"bool", boolShape},
	reflect.Int:     {"int", signedShape},
	reflect.Int64:   {"int", signedShape},
	reflect.Int32:   {"varint32", signedShape},
	reflect.Int16:   {"int16", signedShape},
	reflect.Int8:    {"int8", signedShape},
	reflect.Uint:    {"var_uint64", unsignedShape},
	reflect.Uint64:  {"var_uint64", unsignedShape},
	reflect.Uint32:  {"var_uint32", unsignedShape},
	reflect.Uint16:  {"uint16", unsignedShape},
	reflect.Uint8:   {"uint8", unsignedShape},
	reflect.Float64: {"float", floatShape},
	reflect.Float32: {"float32", floatShape},
}

// fixed are the integers of fixed width, for those that otherwise have a variable one.
var fixed = map[string]string{"int": "int64", "varint32": "int32", "var_uint64": "uint64", "var_uint32": "uint32"}

var (
	taggedType = reflect.TypeOf((*interface{ AsterTag() string })(nil)).Elem()
	enumType   = reflect.TypeOf((*Enum)(nil)).Elem()
	emptyType  = reflect.TypeOf(struct{}{})
)

// place is what a shape depends on: a Go type, and whether integers have a fixed width.
type place struct {
	typ   reflect.Type
	fixed bool
}

var shapes struct {
	mu   sync.Mutex
	done map[place]*shape
}

// builder makes shapes. Those under construction are kept aside, so that a wrong one leaves nothing behind.
type builder struct {
	done, built map[place]*shape
	// messages wait for their fields, so that nesting takes no stack.
	messages []*shape
}

// shapeOf returns the shape of a type, or an error that names what has none.
func shapeOf(typ reflect.Type) (*shape, error) {
	shapes.mu.Lock()
	defer shapes.mu.Unlock()
	if shapes.done == nil {
		shapes.done = map[place]*shape{}
	}
	b := builder{done: shapes.done, built: map[place]*shape{}}
	out, err := b.build(place{typ, false})
	for err == nil && len(b.messages) > 0 {
		message := b.messages[0]
		b.messages = b.messages[1:]
		err = b.fillMessage(message)
	}
	if err != nil {
		return nil, err
	}
	for place, shape := range b.built {
		shapes.done[place] = shape
	}
	return out, nil
}

// textOf returns the contract type of a Go type, without a look at the fields of messages.
func textOf(typ reflect.Type) (string, error) {
	b := builder{built: map[place]*shape{}}
	out, err := b.build(place{typ, false})
	if err != nil {
		return "", err
	}
	return out.text, nil
}

func (b *builder) build(at place) (*shape, error) {
	if done := b.done[at]; done != nil {
		return done, nil
	}
	if built := b.built[at]; built != nil {
		if built.text == "" {
			return nil, unsupported("%s contains itself without a message between", at.typ)
		}
		return built, nil
	}
	s := &shape{typ: at.typ}
	b.built[at] = s
	return s, b.fill(s, at.fixed)
}

func (b *builder) fill(s *shape, fixedWidth bool) error {
	// Pointers and structs have the methods of what they point to or embed.
	if kind := s.typ.Kind(); kind != reflect.Pointer && kind != reflect.Struct && s.typ.Implements(enumType) {
		return s.fillEnum()
	}
	if primitive, ok := known[s.typ]; ok {
		s.text, s.kind = primitive.text, primitive.kind
		return nil
	}
	if scalar, ok := scalars[s.typ.Kind()]; ok {
		s.text, s.kind = scalar.text, scalar.kind
		if text, ok := fixed[s.text]; ok && fixedWidth {
			s.text = text
		}
		return nil
	}
	switch s.typ.Kind() {
	case reflect.Struct:
		s.kind = messageShape
		var err error
		s.text, err = tagOf(s.typ)
		b.messages = append(b.messages, s)
		return err
	case reflect.Slice:
		if s.typ.Elem().Kind() == reflect.Uint8 {
			s.text, s.kind = "bytes", bytesShape
			return nil
		}
	case reflect.Pointer, reflect.Map:
	default:
		return unsupported("%s is not supported", s.typ)
	}
	return b.fillContainer(s, fixedWidth)
}

func (b *builder) fillContainer(s *shape, fixedWidth bool) error {
	var err error
	part := func(typ reflect.Type) *shape {
		var built *shape
		if err == nil {
			// Messages are the same wherever they are.
			built, err = b.build(place{typ, fixedWidth && typ.Kind() != reflect.Struct})
		}
		return built
	}
	switch s.typ.Kind() {
	case reflect.Slice:
		s.kind, s.item = listShape, part(s.typ.Elem())
	case reflect.Pointer:
		s.kind, s.item = optionalShape, part(s.typ.Elem())
		if err == nil && s.item.kind == optionalShape {
			err = unsupported("%s is not supported", s.typ)
		}
	case reflect.Map:
		if s.typ.Elem() == emptyType {
			s.kind, s.item = setShape, part(s.typ.Key())
		} else {
			s.kind, s.key, s.item = mapShape, part(s.typ.Key()), part(s.typ.Elem())
		}
		if err == nil {
			err = s.checkKey()
		}
	}
	if err != nil {
		return err
	}
	s.text = s.name()
	return nil
}

// checkKey refuses keys and elements of sets that contracts do not have, while their Go type is at hand.
func (s *shape) checkKey() error {
	key := s.key
	if s.kind == setShape {
		key = s.item
	}
	switch {
	case key.kind < optionalShape && s.kind == setShape:
		return nil
	case key.kind <= unsignedShape, key.kind == uuidShape, key.kind == enumShape:
		return nil
	}
	return unsupported("%s: %s is no key", s.typ, key.typ)
}

// name writes the type text of a container.
func (s *shape) name() string {
	switch s.kind {
	case listShape:
		return "list<" + s.item.text + ">"
	case setShape:
		return "set<" + s.item.text + ">"
	case mapShape:
		return "map<" + s.key.text + "," + s.item.text + ">"
	}
	return s.item.text + "?"
}

// tagOf returns the tag of a struct, which has to be its own: that of an embedded struct would be another's.
func tagOf(typ reflect.Type) (string, error) {
	if !typ.Implements(taggedType) {
		return "", unsupported("%s has no method AsterTag() string", typ)
	}
	tag := reflect.Zero(typ).Interface().(interface{ AsterTag() string }).AsterTag()
	for i := 0; i < typ.NumField(); i++ {
		inner := typ.Field(i)
		if !inner.Anonymous || inner.Type.Kind() != reflect.Struct || !inner.Type.Implements(taggedType) {
			continue
		}
		if reflect.Zero(inner.Type).Interface().(interface{ AsterTag() string }).AsterTag() == tag {
			return "", unsupported("%s has no method AsterTag() string of its own, only that of %s", typ, inner.Type)
		}
	}
	return tag, nil
}

func (b *builder) fillMessage(s *shape) error { return b.addFields(s, s.typ, nil) }

// addFields adds the fields of a struct to a message; those of embedded structs are its own.
func (b *builder) addFields(s *shape, typ reflect.Type, above []int) error {
	for i := 0; i < typ.NumField(); i++ {
		member := typ.Field(i)
		index := append(append([]int{}, above...), i)
		tag, tagged := member.Tag.Lookup("aster")
		if tag == "-" {
			continue
		}
		if _, primitive := known[member.Type]; member.Anonymous && !tagged && !primitive {
			if member.Type.Kind() != reflect.Struct {
				return unsupported("%s.%s: only structs can be embedded", typ, member.Name)
			}
			if err := b.addFields(s, member.Type, index); err != nil {
				return err
			}
			continue
		}
		if !member.IsExported() {
			if tagged {
				return unsupported("%s.%s is not exported", typ, member.Name)
			}
			continue
		}
		added, err := b.field(member, tag)
		if err != nil {
			return unsupported("%s.%s: %v", typ, member.Name, message(err))
		}
		added.index = index
		s.fields = append(s.fields, added)
	}
	return nil
}

// field reads a tag: a name, and options behind it.
func (b *builder) field(member reflect.StructField, tag string) (field, error) {
	parts := strings.Split(tag, ",")
	out, fixedWidth := field{name: parts[0]}, false
	for _, option := range parts[1:] {
		switch option {
		case "required":
			out.required = true
		case "fixed":
			fixedWidth = true
		default:
			return out, unsupported("option %q in the tag is none of required and fixed", option)
		}
	}
	if out.name == "" {
		return out, unsupported(`expected a tag aster:"name", aster:"name,required", aster:"name,fixed" or aster:"-"`)
	}
	variable, err := b.build(place{member.Type, false})
	if err != nil || !fixedWidth {
		out.shape = variable
		return out, err
	}
	out.shape, err = b.build(place{member.Type, member.Type.Kind() != reflect.Struct})
	if err == nil && out.shape.text == variable.text {
		err = unsupported("fixed is for integers of 32 and 64 bits, not for %s", member.Type)
	}
	return out, err
}

func unsupported(format string, arguments ...any) error {
	return &Error{Code: ErrContract, Status: noStatus, Message: fmt.Sprintf(format, arguments...)}
}

func message(err error) string {
	if failure, ok := err.(*Error); ok {
		return failure.Message
	}
	return err.Error()
}
