// Streams of a server, of a client, and both ways.
import { AsterClient, AsterConfig, AsterServer, BidiStream, ClientStream, ServerStream, Service, f, wireType } from "@aster/rpc";

class Num extends wireType("demo/Num", { value: f.int() }) {}
class Line extends wireType("demo/Line", { text: f.string() }) {}

@Service({ name: "Streaming", public: true })
class Streaming {
  @ServerStream({ request: Num, response: Num })
  async *ticks(request: Num): AsyncGenerator<Num> {
    for (let value = 1; value <= request.value; value++) yield new Num({ value });
  }

  @ClientStream({ request: Num, response: Num })
  async sum(numbers: AsyncIterable<Num>): Promise<Num> {
    let value = 0;
    for await (const one of numbers) value += one.value;
    return new Num({ value });
  }

  @BidiStream({ request: Line, response: Line })
  async *echo(lines: AsyncIterable<Line>): AsyncGenerator<Line> {
    for await (const line of lines) yield line;
  }
}

const config = new AsterConfig({ relayMode: "disabled", allowAllConsumers: true });
await using server = await AsterServer.start({ services: [new Streaming()], config });
await using client = await AsterClient.connect({ address: server.address, config });
const streaming = await client.client(Streaming);

for await (const { value } of streaming.ticks({ value: 3 })) console.log("tick", value);

async function* numbers(): AsyncGenerator<Num> {
  for (const value of [1, 2, 3]) yield new Num({ value });
}
console.log("sum", (await streaming.sum(numbers())).value);

const channel = streaming.echo();
for (const text of ["a", "b"]) {
  await channel.send({ text });
  console.log("echo", (await channel.recv())?.text);
}
await channel.close();
