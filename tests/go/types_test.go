package tests

import (
	"context"
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"aster.invalid/aster"
)

type colour int

const (
	red colour = iota
	green
)

func (colour) AsterTag() string { return "shop/Colour" }

func (colour) AsterMembers() []aster.Member {
	return []aster.Member{{Name: "RED", Value: red}, {Name: "GREEN", Value: green}}
}

type size string

const (
	small size = "small"
	extra size = "extra"
	large size = "large"
)

func (size) AsterTag() string { return "shop/Size" }

func (size) AsterMembers() []aster.Member {
	return []aster.Member{{Name: "S", Value: small}, {Name: "XL", Value: extra}, {Name: "L", Value: large}}
}

// sparse has no member for its zero value, so that fields of it have no default.
type sparse uint16

func (sparse) AsterTag() string { return "go/Sparse" }

func (sparse) AsterMembers() []aster.Member {
	return []aster.Member{{Name: "NINE", Value: sparse(9)}, {Name: "SEVEN", Value: sparse(7)}}
}

type page[T any] struct {
	Items []T `aster:"items"`
	Next  *T  `aster:"next"`
}

func (page[T]) AsterTag() string { return aster.GenericTag("go/Page", aster.TypeOf[T]()) }

type pair[A, B any] struct {
	First  A `aster:"first"`
	Second B `aster:"second"`
}

func (pair[A, B]) AsterTag() string {
	return aster.GenericTag("go/Pair", aster.TypeOf[A](), aster.TypeOf[B]())
}

type stamped struct {
	At time.Time `aster:"at"`
	by
}

type by struct {
	Who aster.UUID `aster:"who"`
}

type branch struct {
	Name     string            `aster:"name"`
	Children []branch          `aster:"children"`
	ByName   map[string]branch `aster:"by_name"`
	Up       *branch           `aster:"up"`
}

func (branch) AsterTag() string { return "go/Branch" }

// all has every contract type.
type all struct {
	stamped
	Text      string                     `aster:"text"`
	Flag      bool                       `aster:"flag"`
	I8        int8                       `aster:"i8"`
	I16       int16                      `aster:"i16"`
	I32       int32                      `aster:"i32"`
	I64       int64                      `aster:"i64"`
	U8        uint8                      `aster:"u8"`
	U16       uint16                     `aster:"u16"`
	U32       uint32                     `aster:"u32"`
	U64       uint64                     `aster:"u64"`
	Fixed32   int32                      `aster:"fixed32,fixed"`
	Fixed64   int                        `aster:"fixed64,fixed"`
	FixedU32  uint32                     `aster:"fixed_u32,fixed,required"`
	FixedU64  []uint64                   `aster:"fixed_u64,fixed"`
	F32       float32                    `aster:"f32"`
	F64       float64                    `aster:"f64"`
	Raw       []byte                     `aster:"raw"`
	Day       aster.Date                 `aster:"day"`
	Took      time.Duration              `aster:"took"`
	Price     aster.Decimal              `aster:"price"`
	ID        aster.UUID                 `aster:"id"`
	Colour    colour                     `aster:"colour"`
	Size      *size                      `aster:"size"`
	Sparse    sparse                     `aster:"sparse"`
	Tags      map[string]struct{}        `aster:"tags"`
	Seen      map[colour]struct{}        `aster:"seen"`
	Numbers   map[float64]struct{}       `aster:"numbers"`
	Days      map[aster.Date]struct{}    `aster:"days"`
	ByID      map[aster.UUID]int         `aster:"by_id"`
	ByColour  map[colour]*aster.Decimal  `aster:"by_colour"`
	ByFlag    map[bool][]time.Duration   `aster:"by_flag"`
	ByNumber  map[uint64]aster.Date      `aster:"by_number"`
	Page      page[branch]               `aster:"page"`
	Pages     page[[]int]                `aster:"pages"`
	Pair      *pair[aster.UUID, *colour] `aster:"pair"`
	Tree      branch                     `aster:"tree"`
	Optionals []*[]*int                  `aster:"optionals"`
	At2       *time.Time                 `aster:"at2"`
}

func (all) AsterTag() string { return "go/All" }

// typesOf describes what `all` is in the contract.
var typesOf = map[string]string{
	"at": "timestamp", "who": "uuid", "text": "string", "flag": "bool", "i8": "int8", "i16": "int16", "i32": "varint32",
	"i64": "varint64", "u8": "uint8", "u16": "uint16", "u32": "var_uint32", "u64": "var_uint64", "fixed32": "int32",
	"fixed64": "int64", "fixed_u32": "uint32", "fixed_u64": "list<uint64>", "f32": "float32", "f64": "float64",
	"raw": "binary", "day": "date", "took": "duration", "price": "decimal", "id": "string", "colour": "shop/Colour",
	"size": "shop/Size?", "sparse": "go/Sparse", "tags": "set<string>", "seen": "set<shop/Colour>",
	"numbers": "set<float64>", "days": "set<date>", "by_id": "map<string,varint64>",
	"by_colour": "map<shop/Colour,decimal?>", "by_flag": "map<bool,list<duration>>", "by_number": "map<var_uint64,date>",
	"page": "go/Page_Branch", "pages": "go/Page_list_varint64", "pair": "go/Pair_string_optional_Colour?",
	"tree": "go/Branch", "optionals": "list<list<varint64?>?>", "at2": "timestamp?",
}

func echoAll() *aster.ServiceDesc {
	return aster.NewService("All", 1, aster.Unary("echo", func(_ context.Context, q all) (all, error) { return q, nil }))
}

func TestTypesOfFields(t *testing.T) {
	manifest := struct {
		Types map[string]struct {
			Fields []struct{ Name, Type string }
		}
	}{}
	text, err := echoAll().Manifest()
	if err == nil {
		err = json.Unmarshal(text, &manifest)
	}
	if err != nil {
		t.Fatal(err)
	}
	fields := manifest.Types["go/All"].Fields
	if len(fields) != len(typesOf) {
		t.Errorf("%d fields", len(fields))
	}
	for _, field := range fields {
		wanted := strings.Replace(typesOf[field.Name], "uuid", "string", 1)
		if field.Type != wanted {
			t.Errorf("%s is %s, not %s", field.Name, field.Type, wanted)
		}
	}
}

func serveAll(t *testing.T) *aster.Service {
	t.Helper()
	server, err := aster.NewServer(aster.WithServices(echoAll()), loopback)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	if err := server.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	client, err := aster.Connect(context.Background(), server.Address(), loopback)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	bound, err := client.Bind(echoAll())
	if err != nil {
		t.Fatal(err)
	}
	return bound
}

func full() all {
	id, err := aster.ParseUUID("123E4567-e89b-12d3-a456-426614174000")
	if err != nil {
		panic(err)
	}
	chosen, amount, seven, listed := extra, aster.Decimal("-12.500"), 7, []*int{nil}
	listed = append(listed, &seven)
	leaf := branch{Name: "leaf", Children: []branch{}, ByName: map[string]branch{}}
	tree := branch{Name: "root", Children: []branch{leaf, leaf}, ByName: map[string]branch{"": leaf}, Up: &leaf}
	blue := green
	at := time.Date(1, 1, 1, 0, 0, 0, 1000, time.UTC)
	return all{
		stamped: stamped{At: time.Date(9999, 12, 31, 23, 59, 59, 999999000, time.UTC), by: by{Who: id}},
		Text:    "τ\u0000\"<&>\u2028𝄞", Flag: true,
		I8: math.MinInt8, I16: math.MinInt16, I32: math.MinInt32, I64: math.MinInt64,
		U8: math.MaxUint8, U16: math.MaxUint16, U32: math.MaxUint32, U64: math.MaxUint64,
		Fixed32: math.MaxInt32, Fixed64: math.MinInt64 + 1, FixedU32: math.MaxUint32, FixedU64: []uint64{1<<53 + 1},
		F32: math.MaxFloat32, F64: math.Copysign(0, -1), Raw: []byte{0, 255},
		Day: aster.NewDate(2024, 2, 29), Took: -999500 * time.Microsecond, Price: "5E+3", ID: id, Colour: green,
		Size: &chosen, Sparse: 9, Tags: map[string]struct{}{"b": {}, "a": {}, "": {}},
		Seen: map[colour]struct{}{red: {}, green: {}}, Numbers: map[float64]struct{}{math.Inf(1): {}, 2: {}, 0.1: {}},
		Days: map[aster.Date]struct{}{aster.NewDate(1, 1, 1): {}, aster.NewDate(9999, 12, 31): {}},
		ByID: map[aster.UUID]int{id: 1, {}: -1}, ByColour: map[colour]*aster.Decimal{red: nil, green: &amount},
		ByFlag:   map[bool][]time.Duration{true: {}, false: {time.Microsecond, math.MaxInt64 / 1000 * 1000}},
		ByNumber: map[uint64]aster.Date{math.MaxUint64: {}},
		Page:     page[branch]{Items: []branch{tree}, Next: &tree}, Pages: page[[]int]{Items: [][]int{{}, {1}}},
		Pair: &pair[aster.UUID, *colour]{First: id, Second: &blue}, Tree: tree,
		Optionals: []*[]*int{nil, &listed}, At2: &at,
	}
}

func empty() all {
	tree := branch{Children: []branch{}, ByName: map[string]branch{}}
	return all{
		stamped: stamped{At: time.Unix(0, 0).UTC()}, Sparse: 7, Price: "0", Raw: []byte{}, FixedU64: []uint64{},
		Tags: map[string]struct{}{}, Seen: map[colour]struct{}{}, Numbers: map[float64]struct{}{},
		Days: map[aster.Date]struct{}{}, ByID: map[aster.UUID]int{}, ByColour: map[colour]*aster.Decimal{},
		ByFlag: map[bool][]time.Duration{}, ByNumber: map[uint64]aster.Date{}, Page: page[branch]{Items: []branch{}},
		Pages: page[[]int]{Items: [][]int{}}, Tree: tree, Optionals: []*[]*int{},
	}
}

func TestRoundTripOfEveryType(t *testing.T) {
	bound := serveAll(t)
	nothing := all{Sparse: 7} // nil slices and maps, and "" as decimal, are empty and 0.
	wanted := empty()
	wanted.At = time.Time{}
	for _, row := range []struct{ sent, wanted all }{{full(), full()}, {empty(), empty()}, {nothing, wanted}} {
		for _, options := range [][]aster.CallOption{nil, {aster.WithJSON()}} {
			got, err := aster.Call[all, all](context.Background(), bound, "echo", row.sent, options...)
			if err != nil || !reflect.DeepEqual(got, row.wanted) {
				t.Errorf("%v\n got %+v\nwant %+v", err, got, row.wanted)
			}
		}
	}
	special := empty()
	special.F64, special.F32 = math.NaN(), float32(math.Inf(-1))
	got, err := aster.Call[all, all](context.Background(), bound, "echo", special)
	if err != nil || !math.IsNaN(got.F64) || !math.IsInf(float64(got.F32), -1) {
		t.Error(got.F64, got.F32, err)
	}
	zoned := empty()
	zoned.At = time.Date(2024, 5, 6, 7, 8, 9, 0, time.FixedZone("", 3600))
	got, err = aster.Call[all, all](context.Background(), bound, "echo", zoned)
	if err != nil || !got.At.Equal(zoned.At) || got.At.Location() != time.UTC {
		t.Error(got.At, err)
	}
}

func TestLossIsRefused(t *testing.T) {
	bound := serveAll(t)
	deep := branch{}
	for i := 0; i < 50; i++ {
		deep = branch{Up: &branch{Name: deep.Name, Up: deep.Up}}
	}
	cyclic := branch{}
	cyclic.Up = &cyclic
	for name, row := range map[string]struct {
		change func(*all)
		text   string
	}{
		"nanoseconds of a time":     {func(a *all) { a.At = time.Unix(0, 1) }, "all.at: finer than a microsecond"},
		"nanoseconds of a duration": {func(a *all) { a.Took = 1 }, "all.took: finer than a microsecond"},
		"year 10000":                {func(a *all) { a.At = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) }, "All.at"},
		"day of year 0":             {func(a *all) { a.Day = aster.NewDate(0, 12, 31) }, "All.day"},
		"no decimal":                {func(a *all) { a.Price = "1,5" }, "All.price"},
		"no member":                 {func(a *all) { a.Colour = 2 }, "all.colour: 2 is no member"},
		"zero is no member":         {func(a *all) { a.Sparse = 0 }, "all.sparse: 0 is no member"},
		"member of a set":           {func(a *all) { a.Seen = map[colour]struct{}{7: {}} }, "7 is no member"},
		"not UTF-8":                 {func(a *all) { a.Tags = map[string]struct{}{"\xff": {}} }, "not UTF-8"},
		"too deep":                  {func(a *all) { a.Tree = deep }, "nesting deeper than 50"},
		"endless":                   {func(a *all) { a.Tree = cyclic }, "nested too deeply"},
	} {
		value := empty()
		row.change(&value)
		_, err := aster.Call[all, all](context.Background(), bound, "echo", value)
		wantError(t, name, err, aster.ErrCodec, row.text)
	}
}

func TestDates(t *testing.T) {
	day := aster.NewDate(2024, 2, 29)
	if year, month, of := day.Date(); year != 2024 || month != time.February || of != 29 || day.String() != "2024-02-29" {
		t.Error(day)
	}
	if aster.NewDate(1969, 12, 31).Days() != -1 || aster.DateOf(day.Time()) != day || (aster.Date{}).String() != "1970-01-01" {
		t.Error("days are counted from 1970")
	}
	if parsed, err := aster.ParseDate("2024-02-29"); err != nil || parsed != day {
		t.Error(parsed, err)
	}
	for _, text := range []string{"", "2023-02-29", "24-02-29"} {
		if _, err := aster.ParseDate(text); err == nil {
			t.Error(text)
		}
	}
	for _, text := range []string{"", "123e4567e89b12d3a456426614174000", "123e4567-e89b-12d3-a456-42661417400g",
		"123e4567-e89b-12d3-a45-6426614174000", "123e4567-e89b-12d3-a456-4266141740-0"} {
		if _, err := aster.ParseUUID(text); err == nil {
			t.Error(text)
		}
	}
}
