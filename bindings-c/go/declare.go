package aster

// #include "glue.h"
import "C"

import (
	"fmt"
	"reflect"
)

// Argument is what a generic struct is made of; TypeOf returns it.
type Argument struct{ typ reflect.Type }

// TypeOf returns a type as the argument of GenericTag.
func TypeOf[T any]() Argument { return Argument{reflect.TypeOf((*T)(nil)).Elem()} }

// GenericTag returns the tag of a generic struct: one for each choice of its arguments, the same in every language.
//
//	type Page[T any] struct {
//		Items []T `aster:"items"`
//	}
//
//	func (Page[T]) AsterTag() string { return aster.GenericTag("demo/Page", aster.TypeOf[T]()) }
//
// It returns a text that is no tag, and is refused as such, if an argument is not supported.
func GenericTag(tag string, arguments ...Argument) string {
	var s scratch
	defer s.free()
	texts := make([]string, len(arguments))
	for i, argument := range arguments {
		text, err := textOf(argument.typ)
		if err != nil {
			return fmt.Sprintf("%s of <%s>", tag, message(err))
		}
		texts[i] = text
	}
	list, n := s.texts(texts)
	result := C.glue_contract_flatten(s.text(tag), list, n)
	if err := check(result); err != nil {
		return fmt.Sprintf("%s of <%s>", tag, message(err))
	}
	return string(goBytes(result.bytes))
}

// declare adds the messages and enums that a shape uses to the types of a description.
func (s *shape) declare(types map[string]any) error {
	for _, part := range []*shape{s.key, s.item} {
		if part != nil {
			if err := part.declare(types); err != nil {
				return err
			}
		}
	}
	if s.kind != messageShape && s.kind != enumShape {
		return nil
	}
	if declared, ok := types[s.text].(*declaration); ok {
		if declared.typ != s.typ {
			return unsupported("%s and %s have one tag: %s", declared.typ, s.typ, s.text)
		}
		return nil
	}
	declared := &declaration{typ: s.typ}
	types[s.text] = declared
	if s.kind == enumShape {
		declared.members = s.enum.describe()
		return nil
	}
	fields := make([]map[string]any, len(s.fields))
	for i, field := range s.fields {
		fields[i] = map[string]any{"name": field.name, "type": field.shape.text}
		if zero, ok := field.shape.zero(); ok && !field.required {
			fields[i]["default"] = zero
		}
		if err := field.shape.declare(types); err != nil {
			return err
		}
	}
	declared.members = map[string]any{"fields": fields}
	return nil
}

// declaration is a message or enum of a description.
type declaration struct {
	typ     reflect.Type
	members map[string]any
}

// MarshalJSON writes the declaration as a description has it.
func (d *declaration) MarshalJSON() ([]byte, error) { return marshal(d.members) }

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
	case decimalShape:
		return "0", true
	case durationShape:
		return "0s", true
	case enumShape:
		name, ok := s.enum.names[reflect.Zero(s.typ).Interface()]
		return name, ok
	case listShape, setShape:
		return []any{}, true
	case mapShape:
		return map[string]any{}, true
	}
	return nil, false
}
