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
		return appendTime(out, value.Interface().(time.Time))
	case dateShape:
		return append(out, value.Interface().(Date).Time().Format(`"2006-01-02"`)...), nil
	case durationShape:
		return appendDuration(out, time.Duration(value.Int()))
	case decimalShape:
		if value.Len() == 0 {
			return append(out, `"0"`...), nil
		}
		return appendText(out, value.String())
	case uuidShape, enumShape:
		text, err := s.keyText(value)
		if err != nil {
			return nil, err
		}
		return appendText(out, text)
	case optionalShape:
		if value.IsNil() {
			return append(out, "null"...), nil
		}
		return s.item.append(out, value.Elem(), depth+1)
	case listShape:
		return s.appendList(out, value, depth)
	case setShape:
		return s.appendSet(out, value, depth)
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

func appendTime(out []byte, at time.Time) ([]byte, error) {
	if at.Nanosecond()%1000 != 0 {
		return nil, fmt.Errorf(": finer than a microsecond; see time.Time.Truncate")
	}
	return append(out, at.UTC().Format(`"2006-01-02T15:04:05.999999Z"`)...), nil
}

func appendDuration(out []byte, d time.Duration) ([]byte, error) {
	if d%time.Microsecond != 0 {
		return nil, fmt.Errorf(": finer than a microsecond; see time.Duration.Truncate")
	}
	micros, sign := d.Microseconds(), ""
	if micros < 0 {
		micros, sign = -micros, "-"
	}
	return append(out, fmt.Sprintf(`"%s%d.%06ds"`, sign, micros/1e6, micros%1e6)...), nil
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

// appendSet writes the elements in the order of their texts, so that equal sets are equal bytes.
func (s *shape) appendSet(out []byte, value reflect.Value, depth int) ([]byte, error) {
	items := make([][]byte, 0, value.Len())
	for walk := value.MapRange(); walk.Next(); {
		item, err := s.item.append(nil, walk.Key(), depth+1)
		if err != nil {
			return nil, err
		}
		items = append(items, item)
	}
	sort.Slice(items, func(i, j int) bool { return bytes.Compare(items[i], items[j]) < 0 })
	out = append(out, '[')
	out = append(out, bytes.Join(items, []byte{','})...)
	return append(out, ']'), nil
}

// appendMap writes the entries in the order of their keys, so that equal maps are equal bytes.
func (s *shape) appendMap(out []byte, value reflect.Value, depth int) ([]byte, error) {
	type entry struct {
		key  string
		item reflect.Value
	}
	entries := make([]entry, 0, value.Len())
	for walk := value.MapRange(); walk.Next(); {
		key, err := s.key.keyText(walk.Key())
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

// keyText writes what can be a key as plain text.
func (s *shape) keyText(key reflect.Value) (string, error) {
	switch s.kind {
	case boolShape:
		return strconv.FormatBool(key.Bool()), nil
	case signedShape:
		return strconv.FormatInt(key.Int(), 10), nil
	case unsignedShape:
		return strconv.FormatUint(key.Uint(), 10), nil
	case uuidShape:
		return key.Interface().(UUID).String(), nil
	case enumShape:
		if name, ok := s.enum.names[key.Interface()]; ok {
			return name, nil
		}
		return "", fmt.Errorf(": %v is no member of %s", key, s.typ)
	}
	return key.String(), nil
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
		if out, err = field.shape.append(out, value.FieldByIndex(field.index), depth+1); err != nil {
			return nil, fmt.Errorf(".%s%w", field.name, err)
		}
	}
	return append(out, '}'), nil
}
