// The service of the quickstart, as every language here declares it.
import { Rpc, Service, WireType, f, wireType } from "@aster/rpc";

@WireType("demo/HelloRequest", { name: f.string() })
export class HelloRequest {
  name = "";
}

export class HelloReply extends wireType("demo/HelloReply", { message: f.string() }) {}

@Service({ name: "Hello", version: 1, public: true })
export class Hello {
  @Rpc({ request: HelloRequest, response: HelloReply })
  async sayHello(request: HelloRequest): Promise<HelloReply> {
    return new HelloReply({ message: `Hello, ${request.name}!` });
  }
}
