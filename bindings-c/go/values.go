package aster

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"sort"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// maxDepth stops values that contain themselves; contracts allow less.
const maxDepth = 200

func marshal(value any) ([]byte, error) { return json.Marshal(value) }

// encode writes a value as JSON text. The library checks it against the contract.
func (s *shape) encode(value reflect.Value) ([]byte, error) {
	text, err := s.append(nil, value, 0)
	if err != nil {
		return nil, &Error{Code: ErrCodec, Status: ContractViolation, Message: s.typ.String() + err.Error(), cause: err}
	}
	return text, nil
}

func (s *shape) append(out []byte, value reflect.Value, depth int) ([]byte, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf(": nested too deeply")
	}
	switch s.kind {
	case textShape:
		return appendText(out, value.String())
	case boolShape:
		return strconv.AppendBool(out, value.Bool()), nil
	case signedShape:
		return strconv.AppendInt(out, value.Int(), 10), nil
	case unsignedShape:
		return strconv.AppendUint(out, value.Uint(), 10), nil
	case floatShape:
		return appendFloat(out, value.Float()), nil
	case bytesShape:
		out = append(out, '"')
		out = append(out, base64.StdEncoding.EncodeToString(value.Bytes())...)
		return append(out, '"'), nil
	case timeShape:
		at := value.Interface().(time.Time).UTC().Truncate(time.Microsecond)
		return append(out, at.Format(`"2006-01-02T15:04:05.999999Z"`)...), nil
	case durationShape:
		return append(out, durationText(time.Duration(value.Int()))...), nil
	case optionalShape:
		if value.IsNil() {
			return append(out, "null"...), nil
		}
		return s.item.append(out, value.Elem(), depth+1)
	case listShape:
		return s.appendList(out, value, depth)
	case mapShape:
		return s.appendMap(out, value, depth)
	default:
		return s.appendMessage(out, value, depth)
	}
}

func appendText(out []byte, text string) ([]byte, error) {
	if !utf8.ValidString(text) {
		return nil, fmt.Errorf(": text is not UTF-8")
	}
	quoted, err := json.Marshal(text)
	return append(out, quoted...), err
}

func appendFloat(out []byte, x float64) []byte {
	switch {
	case math.IsNaN(x):
		return append(out, `"NaN"`...)
	case math.IsInf(x, 1):
		return append(out, `"Infinity"`...)
	case math.IsInf(x, -1):
		return append(out, `"-Infinity"`...)
	}
	text := strconv.FormatFloat(x, 'g', -1, 64) // Of a float32 too: it has to be exact.
	out = append(out, text...)
	if !strings.ContainsAny(text, ".e") {
		out = append(out, ".0"...) // A whole literal would have to be exact.
	}
	return out
}

func durationText(d time.Duration) string {
	micros, sign := d.Microseconds(), ""
	if micros < 0 {
		micros, sign = -micros, "-"
	}
	return fmt.Sprintf(`"%s%d.%06ds"`, sign, micros/1e6, micros%1e6)
}

func (s *shape) appendList(out []byte, value reflect.Value, depth int) ([]byte, error) {
	var err error
	out = append(out, '[')
	for i := 0; i < value.Len(); i++ {
		if i > 0 {
			out = append(out, ',')
		}
		if out, err = s.item.append(out, value.Index(i), depth+1); err != nil {
			return nil, fmt.Errorf("[%d]%w", i, err)
		}
	}
	return append(out, ']'), nil
}

func (s *shape) appendMap(out []byte, value reflect.Value, depth int) ([]byte, error) {
	// In the order of the keys, so that equal maps are equal bytes.
	type entry struct {
		key  string
		item reflect.Value
	}
	entries := make([]entry, 0, value.Len())
	for walk := value.MapRange(); walk.Next(); {
		key, err := keyText(walk.Key())
		if err != nil {
			return nil, err
		}
		entries = append(entries, entry{key, walk.Value()})
	}
	sort.Slice(entries, func(i, j int) bool { return entries[i].key < entries[j].key })
	var err error
	out = append(out, '{')
	for i, entry := range entries {
		if i > 0 {
			out = append(out, ',')
		}
		if out, err = appendText(out, entry.key); err != nil {
			return nil, err
		}
		out = append(out, ':')
		if out, err = s.item.append(out, entry.item, depth+1); err != nil {
			return nil, fmt.Errorf("[%s]%w", entry.key, err)
		}
	}
	return append(out, '}'), nil
}

func keyText(key reflect.Value) (string, error) {
	switch scalars[key.Kind()].kind {
	case boolShape:
		return strconv.FormatBool(key.Bool()), nil
	case signedShape:
		return strconv.FormatInt(key.Int(), 10), nil
	case unsignedShape:
		return strconv.FormatUint(key.Uint(), 10), nil
	case textShape:
		return key.String(), nil
	}
	return "", fmt.Errorf(": %s is no key", key.Type())
}

func (s *shape) appendMessage(out []byte, value reflect.Value, depth int) ([]byte, error) {
	var err error
	out = append(out, '{')
	for i, field := range s.fields {
		if i > 0 {
			out = append(out, ',')
		}
		if out, err = appendText(out, field.name); err != nil {
			return nil, err
		}
		out = append(out, ':')
		if out, err = field.shape.append(out, value.Field(field.index), depth+1); err != nil {
			return nil, fmt.Errorf(".%s%w", field.name, err)
		}
	}
	return append(out, '}'), nil
}

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
		if s.kind == listShape {
			return s.setList(value, tree)
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

func (s *shape) setMap(value reflect.Value, entries map[string]any) error {
	result := reflect.MakeMapWithSize(s.typ, len(entries))
	for text, item := range entries {
		key, held := reflect.New(s.key.typ).Elem(), reflect.New(s.item.typ).Elem()
		var err error
		switch s.key.kind {
		case boolShape:
			key.SetBool(text == "true")
		case textShape:
			key.SetString(text)
		default:
			err = s.key.setNumber(key, text)
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
		if err := field.shape.set(value.Field(field.index), item); err != nil {
			return fmt.Errorf("%s: %w", field.name, err)
		}
	}
	return nil
}
