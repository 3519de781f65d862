package aster

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"time"
)

// decode reads JSON text that the library has checked into a value.
func (s *shape) decode(text []byte, value reflect.Value) error {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var tree any
	err := decoder.Decode(&tree)
	if err == nil {
		err = s.set(value, tree)
	}
	if err != nil {
		return &Error{Code: ErrCodec, Status: noStatus, Message: s.typ.String() + ": " + err.Error(), cause: err}
	}
	return nil
}

func (s *shape) set(value reflect.Value, tree any) error {
	switch tree := tree.(type) {
	case nil:
		if s.kind != optionalShape {
			return s.unexpected(tree)
		}
		value.Set(reflect.Zero(s.typ))
		return nil
	case bool:
		if s.kind == boolShape {
			value.SetBool(tree)
			return nil
		}
	case string:
		if s.kind != optionalShape {
			return s.setText(value, tree)
		}
	case json.Number:
		if s.kind != optionalShape {
			return s.setNumber(value, tree.String())
		}
	case []any:
		switch s.kind {
		case listShape:
			return s.setList(value, tree)
		case setShape:
			return s.setSet(value, tree)
		}
	case map[string]any:
		switch s.kind {
		case mapShape:
			return s.setMap(value, tree)
		case messageShape:
			return s.setMessage(value, tree)
		}
	}
	if s.kind != optionalShape {
		return s.unexpected(tree)
	}
	inner := reflect.New(s.item.typ)
	if err := s.item.set(inner.Elem(), tree); err != nil {
		return err
	}
	value.Set(inner.Convert(s.typ))
	return nil
}

func (s *shape) unexpected(tree any) error {
	return fmt.Errorf("expected %s, got %T", s.text, tree)
}

func (s *shape) setText(value reflect.Value, text string) error {
	switch s.kind {
	case textShape:
		value.SetString(text)
		return nil
	case bytesShape:
		raw, err := base64.StdEncoding.DecodeString(text)
		value.SetBytes(raw)
		return err
	case floatShape:
		x, err := strconv.ParseFloat(text, 64) // NaN, Infinity and -Infinity.
		value.SetFloat(x)
		return err
	case timeShape:
		at, err := time.Parse(time.RFC3339Nano, text)
		value.Set(reflect.ValueOf(at))
		return err
	case durationShape:
		d, err := time.ParseDuration(text)
		value.SetInt(int64(d))
		return err
	case dateShape:
		day, err := ParseDate(text)
		value.Set(reflect.ValueOf(day))
		return err
	case decimalShape:
		value.SetString(text)
		return nil
	case uuidShape:
		id, err := ParseUUID(text)
		value.Set(reflect.ValueOf(id))
		return err
	case enumShape:
		member, ok := s.enum.values[text]
		if !ok {
			return fmt.Errorf("%q is no member of %s", text, s.typ)
		}
		value.Set(member)
		return nil
	}
	return s.unexpected(text)
}

func (s *shape) setNumber(value reflect.Value, text string) error {
	bits := 64
	if s.kind == signedShape || s.kind == unsignedShape || s.kind == floatShape {
		bits = s.typ.Bits()
	}
	switch s.kind {
	case signedShape:
		n, err := strconv.ParseInt(text, 10, bits)
		value.SetInt(n)
		return err
	case unsignedShape:
		n, err := strconv.ParseUint(text, 10, bits)
		value.SetUint(n)
		return err
	case floatShape:
		x, err := strconv.ParseFloat(text, bits)
		value.SetFloat(x)
		return err
	}
	return s.unexpected(json.Number(text))
}

func (s *shape) setList(value reflect.Value, items []any) error {
	list := reflect.MakeSlice(s.typ, len(items), len(items))
	for i, item := range items {
		if err := s.item.set(list.Index(i), item); err != nil {
			return err
		}
	}
	value.Set(list)
	return nil
}

func (s *shape) setSet(value reflect.Value, items []any) error {
	result := reflect.MakeMapWithSize(s.typ, len(items))
	for _, item := range items {
		key := reflect.New(s.item.typ).Elem()
		if err := s.item.set(key, item); err != nil {
			return err
		}
		result.SetMapIndex(key, reflect.Zero(emptyType))
	}
	value.Set(result)
	return nil
}

func (s *shape) setMap(value reflect.Value, entries map[string]any) error {
	result := reflect.MakeMapWithSize(s.typ, len(entries))
	for text, item := range entries {
		key, held := reflect.New(s.key.typ).Elem(), reflect.New(s.item.typ).Elem()
		var err error
		switch s.key.kind {
		case boolShape:
			key.SetBool(text == "true")
		case signedShape, unsignedShape:
			err = s.key.setNumber(key, text)
		default:
			err = s.key.setText(key, text)
		}
		if err == nil {
			err = s.item.set(held, item)
		}
		if err != nil {
			return err
		}
		result.SetMapIndex(key, held)
	}
	value.Set(result)
	return nil
}

func (s *shape) setMessage(value reflect.Value, members map[string]any) error {
	for _, field := range s.fields {
		item, ok := members[field.name]
		if !ok {
			return fmt.Errorf("%s is missing", field.name)
		}
		if err := field.shape.set(value.FieldByIndex(field.index), item); err != nil {
			return fmt.Errorf("%s: %w", field.name, err)
		}
	}
	return nil
}
