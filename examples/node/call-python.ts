// Calls the Hello service of the Python server by its contract alone: node call-python.js aster1...
import { AsterClient, Rpc, defineService, f, wireType } from "@aster/rpc";

class HelloRequest extends wireType("demo/HelloRequest", { name: f.string() }) {}
class HelloReply extends wireType("demo/HelloReply", { message: f.string() }) {}

const Hello = defineService({
  name: "Hello",
  version: 1,
  methods: { sayHello: Rpc({ request: HelloRequest, response: HelloReply }) },
});

await using client = await AsterClient.connect({ address: process.argv[2] });
const hello = await client.client(Hello);
const reply = await hello.sayHello(new HelloRequest({ name: "World" }));
console.log(reply.message);
