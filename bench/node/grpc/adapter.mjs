// Adapter: grpc-js with TLS and proto-loader. `serve`, `load ADDRESS`; BENCH_TLS names the folder of key and certificate.
import { readFileSync } from "node:fs";
import { once } from "node:events";
import grpc from "@grpc/grpc-js";
import loader from "@grpc/proto-loader";
import { TEXT, expect, run, say, untilStdinCloses } from "../load.mjs";

const definition = loader.loadSync(new URL("../../bench.proto", import.meta.url).pathname);
const { Bench } = grpc.loadPackageDefinition(definition).bench;
const pem = (name) => readFileSync(`${process.env.BENCH_TLS}/${name}`);
const options = { "grpc.max_receive_message_length": 16 << 20, "grpc.use_local_subchannel_pool": 1 };
// TLS of Node does not take the name of a server from an IP address.
const channelOptions = { ...options, "grpc.ssl_target_name_override": "localhost" };

const handlers = {
  echo: (call, done) => done(null, { body: call.request.body }),
  echoBlob: (call, done) => done(null, { data: call.request.data }),
  repeat: async (call) => {
    for (let at = 0; at < Number(call.request.number); at++) {
      if (!call.write({ body: TEXT })) await once(call, "drain");
    }
    call.end();
  },
  collect: (call, done) => {
    let number = 0;
    call.on("data", () => number++);
    call.on("end", () => done(null, { number }));
  },
  chat: (call) => {
    call.on("data", (request) => {
      if (call.write({ body: request.body })) return;
      call.pause();
      call.once("drain", () => call.resume());
    });
    call.on("end", () => call.end());
  },
};

/** A call with one answer, as a promise. */
function answer(start) {
  return new Promise((resolve, reject) => start((error, value) => (error ? reject(error) : resolve(value))));
}

class Client {
  constructor(address) {
    this.address = address;
    this.bench = new Bench(address, grpc.credentials.createSsl(pem("cert.pem")), channelOptions);
  }
  async another() {
    return new Client(this.address);
  }
  async close() {
    this.bench.close();
  }
  async unary() {
    expect((await answer((done) => this.bench.echo({ body: TEXT }, done))).body === TEXT);
  }
  async echo(data) {
    expect(Buffer.compare((await answer((done) => this.bench.echoBlob({ data }, done))).data, data) === 0);
  }
  serverStream(count) {
    return this.#counted(this.bench.repeat({ number: count }), count);
  }
  async clientStream(count) {
    let call;
    const total = answer((done) => {
      call = this.bench.collect(done);
    });
    await this.#write(call, count);
    expect(Number((await total).number) === count);
  }
  async bidi(count) {
    const call = this.bench.chat();
    await Promise.all([this.#counted(call, count), this.#write(call, count)]);
  }
  async channel() {
    const call = this.bench.chat();
    let arrived;
    call.on("data", (item) => arrived(item));
    const exchange = async () => {
      const item = new Promise((resolve) => {
        arrived = resolve;
      });
      call.write({ body: TEXT });
      expect((await item).body === TEXT);
    };
    const finish = async () => {
      call.end();
      await once(call, "end");
    };
    return { exchange, finish };
  }
  async #write(call, count) {
    for (let at = 0; at < count; at++) {
      if (!call.write({ body: TEXT })) await once(call, "drain");
    }
    call.end();
  }
  #counted(call, count) {
    return new Promise((resolve, reject) => {
      let received = 0;
      call.on("data", (item) => {
        expect(item.body === TEXT);
        received++;
      });
      call.on("error", reject);
      call.on("end", () => (received === count ? resolve() : reject(new Error("wrong count"))));
    });
  }
}

const [verb, address] = process.argv.slice(2);
if (verb === "serve") {
  const server = new grpc.Server(options);
  server.addService(Bench.service, handlers);
  const pair = { private_key: pem("key.pem"), cert_chain: pem("cert.pem") };
  const credentials = grpc.ServerCredentials.createSsl(null, [pair], false);
  const port = await answer((done) => server.bindAsync("127.0.0.1:0", credentials, done));
  say({ address: `127.0.0.1:${port}` });
  await untilStdinCloses();
  server.forceShutdown();
} else {
  const client = new Client(address);
  await run(client);
  await client.close();
}
