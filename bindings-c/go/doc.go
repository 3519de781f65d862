// Package aster calls and serves typed services of Aster RPC: the public key is the address, QUIC is the transport.
//
// It is a thin face of libaster. Messages are structs with `aster:"field"` tags and a method AsterTag; they cross to
// the library as JSON text, and travel in the encoding that client and server negotiate.
//
//	type HelloRequest struct {
//		Name string `aster:"name"`
//	}
//
//	func (HelloRequest) AsterTag() string { return "demo/HelloRequest" }
//
// Fields are named by their tags. The option "required" leaves out the default of a field, which is Go's zero value;
// "fixed" gives integers of 32 and 64 bits a fixed width on the wire, also inside lists, sets, maps and pointers. "-"
// leaves a field out. Types of fields:
//
//	bool, string, []byte, float32, float64        the same in contracts, []byte as binary
//	int, int64, int32, uint, uint64, uint32       varint64, varint32, var_uint64, var_uint32, or of fixed width
//	int8, int16, uint8, uint16                    the same in contracts
//	time.Time, Date, time.Duration                timestamp, date and duration, exact in microseconds
//	Decimal, UUID                                 decimal and uuid
//	Enum                                          an enum
//	*T, []T, map[T]struct{}, map[K]V              optional, list, set and map
//	structs with AsterTag                         messages, which may contain themselves
//	generic structs                               messages, by GenericTag
//	embedded structs without a tag                their fields are those of the message
//
// All others are refused with the name of struct and field. Times finer than a microsecond are refused too, as every
// value that would lose something.
//
// A server without a root key admits everybody and warns. With one, as in Config{"root_pubkey": key.String()} or an
// identity, it admits whoever presents what that key has signed: see GenerateKeypair, SignCredential, WithCredential,
// WithCredentialFile and WithIdentity. CallInfo has the attributes that were granted.
//
// This version has unary calls. Streams and sessions come with a later one.
//
// The library is found by pkg-config (package aster, tag aster_static: aster-static). Its threads, and one goroutine
// that drains its completion queue, start with the first client or server and live as long as the program.
package aster
