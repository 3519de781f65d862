package tests

import (
	"testing"
	"time"

	"aster.invalid/aster"
)

type sameColour int

const (
	sameRed sameColour = iota
	sameGreen
)

func (sameColour) AsterTag() string { return "same/Colour" }

func (sameColour) AsterMembers() []aster.Member {
	return []aster.Member{{Name: "GREEN", Value: sameGreen}, {Name: "RED", Value: sameRed}}
}

type sameSize string

func (sameSize) AsterTag() string { return "same/Size" }

func (sameSize) AsterMembers() []aster.Member {
	return []aster.Member{
		{Name: "S", Value: sameSize("s")}, {Name: "XL", Value: sameSize("xl")}, {Name: "L", Value: sameSize("l")},
	}
}

type sameItem struct {
	Name string    `aster:"name"`
	Up   *sameItem `aster:"up"`
}

func (sameItem) AsterTag() string { return "same/Item" }

type samePage[T any] struct {
	Items []T `aster:"items"`
}

func (samePage[T]) AsterTag() string { return aster.GenericTag("same/Page", aster.TypeOf[T]()) }

type sameAll struct {
	Text     string                        `aster:"text"`
	Flag     bool                          `aster:"flag"`
	I8       int8                          `aster:"i8"`
	I16      int16                         `aster:"i16"`
	I32      int32                         `aster:"i32"`
	I64      int                           `aster:"i64"`
	U8       uint8                         `aster:"u8"`
	U16      uint16                        `aster:"u16"`
	U32      uint32                        `aster:"u32"`
	U64      uint64                        `aster:"u64"`
	Fixed32  int32                         `aster:"fixed32,fixed"`
	Fixed64  int64                         `aster:"fixed64,fixed"`
	FixedU32 uint32                        `aster:"fixed_u32,fixed"`
	FixedU64 []uint64                      `aster:"fixed_u64,fixed"`
	F32      float32                       `aster:"f32"`
	F64      float64                       `aster:"f64"`
	Raw      []byte                        `aster:"raw"`
	At       time.Time                     `aster:"at"`
	Day      aster.Date                    `aster:"day"`
	Took     time.Duration                 `aster:"took"`
	Price    aster.Decimal                 `aster:"price"`
	ID       aster.UUID                    `aster:"id"`
	Colour   sameColour                    `aster:"colour"`
	Size     *sameSize                     `aster:"size"`
	Tags     map[string]struct{}           `aster:"tags"`
	Seen     map[sameColour]struct{}       `aster:"seen"`
	ByID     map[aster.UUID]int            `aster:"by_id"`
	ByColour map[sameColour]*aster.Decimal `aster:"by_colour"`
	ByNumber map[uint64][]aster.Date       `aster:"by_number"`
	Page     samePage[sameItem]            `aster:"page"`
	Pages    samePage[[]int]               `aster:"pages"`
	Item     sameItem                      `aster:"item"`
}

func (sameAll) AsterTag() string { return "same/All" }

// The same declaration in Python has this id.
func TestSameIDAsPython(t *testing.T) {
	const wanted = "a75f35afc685212594000c28d7c1a9afcba9aec8caf01213e4142fc243b2216c"
	id, err := aster.NewService("Same", 1, aster.Unary[sameAll, sameAll]("echo", nil)).ContractID()
	if err != nil || id != wanted {
		t.Error(id, err)
	}
}
