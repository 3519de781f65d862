package tests

import (
	"testing"

	"aster.invalid/aster"
)

// Declarations that are refused, each for one reason.
type (
	wrongFixed struct {
		F float64 `aster:"f,fixed"`
	}
	wrongOption struct {
		F float64 `aster:"f,reqired"`
	}
	wrongKey struct {
		M map[float64]int `aster:"m"`
	}
	wrongSet struct {
		S map[inner]struct{} `aster:"s"`
	}
	wrongArray struct {
		A [3]int `aster:"a"`
	}
	wrongEmbedded struct{ *by }
	borrowedTag   struct{ inner }
	hiddenField   struct {
		n int `aster:"n"`
	}
	twice struct {
		A int `aster:"who"`
		by
	}
	wrongArgument struct {
		P page[chan int] `aster:"p"`
	}
	sameTag struct {
		A inner      `aster:"a"`
		B otherInner `aster:"b"`
	}
	otherInner struct{}
	wrongValue int
	wrongEnum  struct {
		E wrongValue `aster:"e"`
	}
	doubleValue int
	doubleEnum  struct {
		E doubleValue `aster:"e"`
	}
	boolEnum bool
	ofBool   struct {
		E boolEnum `aster:"e"`
	}
)

func (wrongFixed) AsterTag() string    { return "go/WrongFixed" }
func (wrongOption) AsterTag() string   { return "go/WrongOption" }
func (wrongKey) AsterTag() string      { return "go/WrongKey" }
func (wrongSet) AsterTag() string      { return "go/WrongSet" }
func (wrongArray) AsterTag() string    { return "go/WrongArray" }
func (wrongEmbedded) AsterTag() string { return "go/WrongEmbedded" }
func (hiddenField) AsterTag() string   { return "go/HiddenField" }
func (twice) AsterTag() string         { return "go/Twice" }
func (wrongArgument) AsterTag() string { return "go/WrongArgument" }
func (sameTag) AsterTag() string       { return "go/SameTag" }
func (otherInner) AsterTag() string    { return inner{}.AsterTag() }
func (wrongValue) AsterTag() string    { return "go/WrongValue" }
func (wrongEnum) AsterTag() string     { return "go/WrongEnum" }
func (doubleValue) AsterTag() string   { return "go/DoubleValue" }
func (doubleEnum) AsterTag() string    { return "go/DoubleEnum" }
func (boolEnum) AsterTag() string      { return "go/BoolEnum" }
func (ofBool) AsterTag() string        { return "go/OfBool" }

func (wrongValue) AsterMembers() []aster.Member { return []aster.Member{{Name: "A", Value: 1}} }
func (doubleValue) AsterMembers() []aster.Member {
	return []aster.Member{{Name: "A", Value: doubleValue(1)}, {Name: "B", Value: doubleValue(1)}}
}
func (boolEnum) AsterMembers() []aster.Member { return nil }

func TestRefusedDeclarations(t *testing.T) {
	for text, method := range map[string]aster.Method{
		"wrongFixed.F: fixed is for integers":                           aster.Unary[wrongFixed, string]("m", nil),
		`wrongOption.F: option "reqired"`:                               aster.Unary[wrongOption, string]("m", nil),
		"wrongKey.M: map[float64]int: float64":                          aster.Unary[wrongKey, string]("m", nil),
		"wrongSet.S: map[tests.inner]struct {}: test":                   aster.Unary[wrongSet, string]("m", nil),
		"wrongArray.A: [3]int is not supported":                         aster.Unary[wrongArray, string]("m", nil),
		"wrongEmbedded.by: only structs":                                aster.Unary[wrongEmbedded, string]("m", nil),
		"borrowedTag has no method AsterTag":                            aster.Unary[borrowedTag, string]("m", nil),
		"hiddenField.n is not exported":                                 aster.Unary[hiddenField, string]("m", nil),
		"`who`":                                                         aster.Unary[twice, string]("m", nil),
		"chan int is not supported":                                     aster.Unary[wrongArgument, string]("m", nil),
		"have one tag: go/Inner":                                        aster.Unary[sameTag, string]("m", nil),
		`wrongEnum.E: tests.wrongValue: the value of member "A" is int`: aster.Unary[wrongEnum, string]("m", nil),
		`members "A" and "B" have one value`:                            aster.Unary[doubleEnum, string]("m", nil),
		"an enum is an integer or a string":                             aster.Unary[ofBool, string]("m", nil),
	} {
		_, err := aster.NewService("Bad", 1, method).ContractID()
		wantError(t, text, err, aster.ErrContract, text)
	}
}
