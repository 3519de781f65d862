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
// This version has unary calls. Streams and sessions come with a later one.
//
// The library is found by pkg-config (package aster, tag aster_static: aster-static). Its threads, and one goroutine
// that drains its completion queue, start with the first client or server and live as long as the program.
package aster
