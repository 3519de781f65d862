// Adapter: aster in Node, encrypted, authenticated, with a declared contract. `serve`, `load ADDRESS`.
import * as aster from "../../ts/dist/index.js";
import { TEXT, expect, run, say, times, untilStdinCloses } from "./load.mjs";

const { AsterClient, AsterServer, Rpc, Service, f, wireType } = aster;
class Text extends wireType("bench/Text", { body: f.string() }) {}
class Blob extends wireType("bench/Blob", { data: f.bytes() }) {}
class Count extends wireType("bench/Count", { number: f.int() }) {}
const message = new Text({ body: TEXT });
// Read ahead, as a bulk reader would.
const AHEAD = { prefetch: 256 };

class BenchHandlers {
  async echo(request) {
    return new Text({ body: request.body });
  }
  async blob(request) {
    return new Blob({ data: request.data });
  }
  async *count(request) {
    for (let at = 0; at < request.number; at++) yield new Text({ body: TEXT });
  }
  async collect(requests) {
    let number = 0;
    for await (const _ of requests) number++;
    return new Count({ number });
  }
  async *chat(requests) {
    for await (const request of requests) yield new Text({ body: request.body });
  }
}

class SessionHandlers {
  async echo(request) {
    return new Text({ body: request.body });
  }
}

const echo = Rpc({ request: Text, response: Text });
const Bench = Service({
  name: "Bench",
  public: true,
  methods: {
    echo,
    blob: Rpc({ request: Blob, response: Blob }),
    count: aster.ServerStream({ request: Count, response: Text }),
    collect: aster.ClientStream({ request: Text, response: Count }),
    chat: aster.BidiStream({ request: Text, response: Text }),
  },
})(BenchHandlers);
const BenchSession = Service({ name: "BenchSession", scoped: "session", public: true, methods: { echo } })(SessionHandlers);

class Client {
  static async connect(address) {
    const client = await AsterClient.connect({ address });
    return Object.assign(new Client(), { address, client, bench: await client.client(Bench) });
  }
  another() {
    return Client.connect(this.address);
  }
  close() {
    return this.client.close();
  }
  async unary() {
    expect((await this.bench.echo(message)).body === TEXT);
  }
  async echo(data) {
    expect(Buffer.compare((await this.bench.blob(new Blob({ data }))).data, data) === 0);
  }
  async serverStream(count) {
    let received = 0;
    for await (const item of this.bench.count(new Count({ number: count }), AHEAD)) {
      expect(item.body === TEXT);
      received++;
    }
    expect(received === count);
  }
  async clientStream(count) {
    const { number } = await this.bench.collect(times(count, () => new Text({ body: TEXT })));
    expect(Number(number) === count);
  }
  async bidi(count) {
    let received = 0;
    for await (const item of this.bench.chat(times(count, () => new Text({ body: TEXT })), AHEAD)) {
      expect(item.body === TEXT);
      received++;
    }
    expect(received === count);
  }
  async channel() {
    const channel = this.bench.chat();
    return {
      exchange: async () => {
        await channel.send(new Text({ body: TEXT }));
        expect((await channel.recv()).body === TEXT);
      },
      finish: () => channel.close(),
    };
  }
  async session() {
    const stub = await this.client.client(BenchSession);
    return {
      unary: async () => expect((await stub.echo(message)).body === TEXT),
      close: () => stub.close(),
    };
  }
}

const [verb, address] = process.argv.slice(2);
if (verb === "serve") {
  const server = await AsterServer.start({ services: [new BenchHandlers(), BenchSession] });
  say({ address: server.address });
  await untilStdinCloses();
  await server.close();
} else {
  const client = await Client.connect(address);
  await run(client);
  await client.close();
}
