// Plain JavaScript, server and client in one process.
import { AsterClient, AsterConfig, AsterServer, Rpc, Service, f, wireType } from "@aster/rpc";

class HelloRequest extends wireType("demo/HelloRequest", { name: f.string() }) {}
class HelloReply extends wireType("demo/HelloReply", { message: f.string() }) {}

const Hello = Service({
  name: "Hello",
  public: true,
  methods: { sayHello: Rpc({ request: HelloRequest, response: HelloReply }) },
})(
  class {
    sayHello(request) {
      return new HelloReply({ message: `Hello, ${request.name}!` });
    }
  },
);

const config = new AsterConfig({ relayMode: "disabled", allowAllConsumers: true });
const server = await AsterServer.start({ services: [new Hello()], config });
const client = await AsterClient.connect({ address: server.address, config });
const hello = await client.client(Hello);
const reply = await hello.sayHello({ name: "World" });
console.log(reply.message);
await client.close();
await server.close();
