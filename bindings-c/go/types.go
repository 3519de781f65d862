package aster

import (
	"encoding/hex"
	"fmt"
	"strings"
	"time"
)

// Date is a day of the Gregorian calendar. The zero Date is 1970-01-01. It is comparable and ordered by Days.
type Date struct{ days int32 }

// NewDate returns the day; month and day are normalized as time.Date does.
func NewDate(year int, month time.Month, day int) Date {
	return Date{int32(time.Date(year, month, day, 0, 0, 0, 0, time.UTC).Unix() / secondsPerDay)}
}

// DateOf returns the day of a time in its location.
func DateOf(t time.Time) Date { return NewDate(t.Date()) }

const secondsPerDay = 24 * 60 * 60

// Days returns the days since 1970-01-01.
func (d Date) Days() int { return int(d.days) }

// Time returns the start of the day in UTC.
func (d Date) Time() time.Time { return time.Unix(int64(d.days)*secondsPerDay, 0).UTC() }

// Date returns year, month and day.
func (d Date) Date() (int, time.Month, int) { return d.Time().Date() }

// String returns the day, such as "2024-02-29".
func (d Date) String() string { return d.Time().Format(dateLayout) }

const dateLayout = "2006-01-02"

// ParseDate reads a day, such as "2024-02-29".
func ParseDate(text string) (Date, error) {
	t, err := time.Parse(dateLayout, text)
	return DateOf(t), err
}

// Decimal is an exact decimal number as text, such as "-12.50" or "5E+3". The scale is kept; "" is "0".
type Decimal string

// UUID is 16 bytes; contracts have it as text in lower case.
type UUID [16]byte

// String returns the text, such as "123e4567-e89b-12d3-a456-426614174000".
func (u UUID) String() string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", u[0:4], u[4:6], u[6:8], u[8:10], u[10:16])
}

// ParseUUID reads the text form, in either case.
func ParseUUID(text string) (UUID, error) {
	var u UUID
	if len(text) != len("123e4567-e89b-12d3-a456-426614174000") {
		return u, invalid("%q is no UUID", text)
	}
	for _, at := range []int{8, 13, 18, 23} {
		if text[at] != '-' {
			return u, invalid("%q is no UUID", text)
		}
	}
	if n, err := hex.Decode(u[:], []byte(strings.ReplaceAll(text, "-", ""))); err != nil || n != len(u) {
		return UUID{}, invalid("%q is no UUID", text)
	}
	return u, nil
}

// Member is a member of an enum: its name in every language and its value in Go, of the enum's type.
type Member struct {
	Name  string
	Value any
}

// Enum is what types with named values implement, beside AsterTag. Their kind is an integer or string; the values of
// integers are part of the contract, the texts of strings are not.
//
//	type Color int
//
//	const (
//		Red Color = iota
//		Green
//	)
//
//	func (Color) AsterTag() string { return "demo/Color" }
//
//	func (Color) AsterMembers() []aster.Member {
//		return []aster.Member{{Name: "RED", Value: Red}, {Name: "GREEN", Value: Green}}
//	}
type Enum interface {
	AsterTag() string
	AsterMembers() []Member
}
