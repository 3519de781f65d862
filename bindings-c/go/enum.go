package aster

import (
	"math"
	"reflect"
)

// members are the values of an enum: by name, and back.
type members struct {
	declared []Member
	names    map[any]string
	values   map[string]reflect.Value
	texts    bool
}

// fillEnum reads what an enum says of itself.
func (s *shape) fillEnum() error {
	zero := reflect.Zero(s.typ).Interface().(Enum)
	kind := scalars[s.typ.Kind()].kind
	isText, isNumber := s.typ.Kind() == reflect.String, kind == signedShape || kind == unsignedShape
	if !isText && !isNumber {
		return unsupported("%s: an enum is an integer or a string", s.typ)
	}
	s.kind, s.text = enumShape, zero.AsterTag()
	all := zero.AsterMembers()
	s.enum = &members{declared: all, names: map[any]string{}, values: map[string]reflect.Value{}, texts: isText}
	for _, member := range all {
		value := reflect.ValueOf(member.Value)
		if !value.IsValid() || value.Type() != s.typ {
			return unsupported("%s: the value of member %q is %T", s.typ, member.Name, member.Value)
		}
		if _, ok := number(value); !isText && !ok {
			return unsupported("%s: the value of member %q is beyond 32 bits", s.typ, member.Name)
		}
		if other, ok := s.enum.names[member.Value]; ok {
			return unsupported("%s: members %q and %q have one value", s.typ, other, member.Name)
		}
		s.enum.names[member.Value] = member.Name
		s.enum.values[member.Name] = value
	}
	return nil
}

// number returns the value of an integer; false if contracts cannot hold it.
func number(value reflect.Value) (int64, bool) {
	if value.CanInt() {
		n := value.Int()
		return n, n >= math.MinInt32 && n <= math.MaxInt32
	}
	if value.CanUint() {
		n := value.Uint()
		return int64(n), n <= math.MaxInt32
	}
	return 0, false
}

// describe writes the enum as a description has it.
func (m *members) describe() map[string]any {
	list, texts := make([]any, len(m.declared)), map[string]string{}
	for i, member := range m.declared {
		value := reflect.ValueOf(member.Value)
		if m.texts {
			list[i], texts[member.Name] = member.Name, value.String()
			continue
		}
		n, _ := number(value)
		list[i] = []any{member.Name, n}
	}
	if m.texts {
		return map[string]any{"enum": list, "texts": texts}
	}
	return map[string]any{"enum": list}
}
