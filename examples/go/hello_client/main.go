// Command hello_client calls the Hello service at the address of its argument and prints the greeting.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"aster.invalid/aster"
	"aster.invalid/examples/hello"
)

func greet(ctx context.Context, address string) (string, error) {
	client, err := aster.Connect(ctx, address)
	if err != nil {
		return "", err
	}
	defer client.Close()
	service, err := client.Bind(hello.Service(nil))
	if err != nil {
		return "", err
	}
	reply, err := aster.Call[hello.Request, hello.Reply](ctx, service, "sayHello", hello.Request{Name: "World"})
	return reply.Message, err
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: hello_client ADDRESS")
		os.Exit(2)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	message, err := greet(ctx, os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(message)
}
