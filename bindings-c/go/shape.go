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
	// key and item are the parts of maps, lists and optional values.
	key, item *shape
}

type field struct {
	name     string
	index    int
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
	durationShape
	optionalShape
	listShape
	mapShape
	messageShape
)

var (
	timeType     = reflect.TypeOf(time.Time{})
	durationType = reflect.TypeOf(time.Duration(0))
	taggedType   = reflect.TypeOf((*interface{ AsterTag() string })(nil)).Elem()
)

// scalars are the Go kinds that have a primitive type.
var scalars = map[reflect.Kind]struct {
	text string
	kind shapeKind
}{
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

var shapes struct {
	mu    sync.Mutex
	known map[reflect.Type]*shape
}

// shapeOf returns the shape of a type, or an error that names what has none.
func shapeOf(typ reflect.Type) (*shape, error) {
	shapes.mu.Lock()
	defer shapes.mu.Unlock()
	// Types under construction are kept aside, so that a wrong one leaves nothing behind.
	building := map[reflect.Type]*shape{}
	built, err := build(typ, building)
	if err != nil {
		return nil, err
	}
	if shapes.known == nil {
		shapes.known = map[reflect.Type]*shape{}
	}
	for typ, shape := range building {
		shapes.known[typ] = shape
	}
	return built, nil
}

func build(typ reflect.Type, building map[reflect.Type]*shape) (*shape, error) {
	if known := shapes.known[typ]; known != nil {
		return known, nil
	}
	if known := building[typ]; known != nil {
		if known.text == "" {
			return nil, unsupported("%s contains itself without a message between", typ)
		}
		return known, nil
	}
	s := &shape{typ: typ}
	building[typ] = s
	err := s.fill(building)
	return s, err
}

func (s *shape) fill(building map[reflect.Type]*shape) error {
	switch s.typ {
	case timeType:
		s.text, s.kind = "timestamp", timeShape
		return nil
	case durationType:
		s.text, s.kind = "duration", durationShape
		return nil
	}
	if scalar, ok := scalars[s.typ.Kind()]; ok {
		s.text, s.kind = scalar.text, scalar.kind
		return nil
	}
	var err error
	switch s.typ.Kind() {
	case reflect.Slice:
		if s.typ.Elem().Kind() == reflect.Uint8 {
			s.text, s.kind = "bytes", bytesShape
			return nil
		}
		s.kind = listShape
		s.item, err = build(s.typ.Elem(), building)
	case reflect.Pointer:
		s.kind = optionalShape
		s.item, err = build(s.typ.Elem(), building)
		if err == nil && s.item.kind == optionalShape {
			err = fmt.Errorf("%s is not supported", s.typ)
		}
	case reflect.Map:
		s.kind = mapShape
		if s.key, err = build(s.typ.Key(), building); err == nil {
			s.item, err = build(s.typ.Elem(), building)
		}
	case reflect.Struct:
		return s.fillMessage(building)
	default:
		return unsupported("%s is not supported", s.typ)
	}
	if err != nil {
		return err
	}
	s.text = s.name()
	return nil
}

// name writes the type text of a container. The texts of messages are known before their fields are.
func (s *shape) name() string {
	switch s.kind {
	case listShape:
		return "list<" + s.item.name() + ">"
	case mapShape:
		return "map<" + s.key.name() + "," + s.item.name() + ">"
	case optionalShape:
		return s.item.name() + "?"
	}
	return s.text
}

func (s *shape) fillMessage(building map[reflect.Type]*shape) error {
	if !s.typ.Implements(taggedType) {
		return unsupported("%s has no method AsterTag() string", s.typ)
	}
	s.kind = messageShape
	s.text = reflect.Zero(s.typ).Interface().(interface{ AsterTag() string }).AsterTag()
	for i := 0; i < s.typ.NumField(); i++ {
		member := s.typ.Field(i)
		tag, tagged := member.Tag.Lookup("aster")
		if !member.IsExported() || tag == "-" {
			continue
		}
		name, option, _ := strings.Cut(tag, ",")
		if !tagged || name == "" || (option != "" && option != "required") {
			return unsupported(`%s.%s: expected a tag aster:"name", aster:"name,required" or aster:"-"`, s.typ, member.Name)
		}
		shape, err := build(member.Type, building)
		if err != nil {
			return unsupported("%s.%s: %v", s.typ, member.Name, message(err))
		}
		s.fields = append(s.fields, field{name, i, shape, option == "required"})
	}
	return nil
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

// declare adds the messages that a shape uses to the types of a description.
func (s *shape) declare(types map[string]any) error {
	for _, part := range []*shape{s.key, s.item} {
		if part != nil {
			if err := part.declare(types); err != nil {
				return err
			}
		}
	}
	if s.kind != messageShape {
		return nil
	}
	if declared, ok := types[s.text].(declaration); ok {
		if declared.shape.typ != s.typ {
			return unsupported("%s and %s have one tag: %s", declared.shape.typ, s.typ, s.text)
		}
		return nil
	}
	fields := make([]map[string]any, len(s.fields))
	types[s.text] = declaration{s, fields}
	for i, field := range s.fields {
		fields[i] = map[string]any{"name": field.name, "type": field.shape.text}
		if zero, ok := field.shape.zero(); ok && !field.required {
			fields[i]["default"] = zero
		}
		if err := field.shape.declare(types); err != nil {
			return err
		}
	}
	return nil
}

// declaration is a message of a description.
type declaration struct {
	shape  *shape
	fields []map[string]any
}

// MarshalJSON writes the declaration as a description has it.
func (d declaration) MarshalJSON() ([]byte, error) {
	return marshal(map[string]any{"fields": d.fields})
}

// zero returns Go's zero value as the default of a field. Defaults are no part of a contract's identity.
func (s *shape) zero() (any, bool) {
	switch s.kind {
	case textShape, bytesShape:
		return "", true
	case boolShape:
		return false, true
	case signedShape, unsignedShape:
		return 0, true
	case floatShape:
		return 0.0, true
	case listShape:
		return []any{}, true
	case mapShape:
		return map[string]any{}, true
	}
	return nil, false
}
