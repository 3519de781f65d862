// Command hello_server serves the Hello service: it prints its address and greets every caller until stdin closes.
package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"aster.invalid/aster"
	"aster.invalid/examples/hello"
)

func sayHello(_ context.Context, request hello.Request) (hello.Reply, error) {
	return hello.Reply{Message: "Hello, " + request.Name + "!"}, nil
}

func serve() error {
	server, err := aster.NewServer(aster.WithServices(hello.Service(sayHello)))
	if err != nil {
		return err
	}
	defer server.Close()
	if err := server.Start(context.Background()); err != nil {
		return err
	}
	fmt.Println("address", server.Address())
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

func main() {
	if err := serve(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
