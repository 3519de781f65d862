// Package hello is the Hello service, as its server and its clients declare it.
package hello

import (
	"context"

	"aster.invalid/aster"
)

// Request says who is to be greeted.
type Request struct {
	Name string `aster:"name"`
}

// AsterTag names the message in every language.
func (Request) AsterTag() string { return "demo/HelloRequest" }

// Reply is the greeting.
type Reply struct {
	Message string `aster:"message"`
}

// AsterTag names the message in every language.
func (Reply) AsterTag() string { return "demo/HelloReply" }

// Service describes the service; clients need no handler.
func Service(sayHello func(context.Context, Request) (Reply, error)) *aster.ServiceDesc {
	return aster.NewService("Hello", 1, aster.Unary("sayHello", sayHello))
}
