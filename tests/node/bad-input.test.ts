import assert from "node:assert/strict";
import { test } from "node:test";
import {
  AsterClient,
  AsterConfig,
  AsterServer,
  BidiStream,
  ClientStream,
  ConnectionLostError,
  ContractViolationError,
  Rpc,
  Service,
  ServiceNotFoundError,
  TicketError,
  UnimplementedError,
  contractIdFromService,
  defineService,
  f,
  wireType,
} from "@aster/rpc";
import { failure, local, pair, vectors } from "./support.js";

class Text extends wireType("bad/Text", { text: f.string() }) {}
const Hello = Service({ name: "Hello", public: true, methods: { say: Rpc({ request: Text, response: Text }) } })(
  class {
    say(request: Text): Text {
      return request;
    }
  },
);
const dead = "aster11JNArUumxYJcSQpbuxuroRZtcSMVLcy5WbYGt14SRkz2j";

test("wrong address texts", async () => {
  const { addresses } = vectors<{ addresses: { name: string; input: string; ok?: object; error?: string }[] }>("wire");
  for (const { name, input, ok } of addresses) {
    const connecting = AsterClient.connect({ address: input, config: local(), connectTimeout: 1 });
    // A good address is dialled, which takes longer than a millisecond.
    const error = await failure(connecting, Error);
    if (ok) assert.ok(error instanceof ConnectionLostError, `${name}: ${String(error)}`);
    else assert.ok(error instanceof TicketError && error.kind === "address", `${name}: ${String(error)}`);
    if (!ok && !input.startsWith("aster1")) assert.match(error.message, /^invalid address: /);
  }
});

test("values that are no addresses", async () => {
  for (const address of [1, {}, [], true]) {
    await failure(AsterClient.connect({ address: address as unknown as string, config: local() }), TypeError);
  }
  assert.throws(() => new AsterClient({ config: local() }), {
    name: "TypeError",
    message: "AsterClient requires an endpoint address. Set ASTER_ENDPOINT_ADDR or pass endpointAddr explicitly.",
  });
});

test("a dead address fails within the time for connecting", async () => {
  const began = performance.now();
  const error = await failure(
    AsterClient.connect({ address: dead, config: local(), connectTimeout: 300 }),
    ConnectionLostError,
  );
  assert.ok(performance.now() - began < 3000);
  assert.match(error.message, /^could not reach /);
});

test("a service, a version or a channel that is not offered", async (t) => {
  const { server, client } = await pair(t, [new Hello()]);
  const error = await failure(client.client(defineService({ name: "Other", version: 7, methods: {} })), ServiceNotFoundError);
  assert.equal(error.message, "service 'Other' v7 not offered by producer (got: [('Hello', 1)])");
  const { say } = { say: Rpc({ request: Text, response: Text }) };
  const newer = defineService({ name: "Hello", version: 2, methods: { say } });
  await failure(client.client(newer), ServiceNotFoundError);
  const other = await AsterClient.connect({ address: server.address, config: local(), channelName: "side" });
  t.after(() => other.close());
  const channel = await failure(other.client(Hello), ServiceNotFoundError);
  assert.equal(channel.message, "service 'Hello' has no channel 'side' (available: ['rpc'])");
  assert.equal((await (await client.client(Hello)).say({ text: "ok" })).text, "ok");
});

test("a method that the server does not have, a body that it does not understand", async (t) => {
  const { client } = await pair(t, [new Hello()]);
  const call = Rpc({ request: Text, response: Text });
  const stub = await client.client(defineService({ name: "Hello", methods: { nope: call } }));
  const missing = await failure(stub.nope({ text: "" }), UnimplementedError);
  assert.equal(missing.message, "Method 'Hello.nope' not implemented");

  class Newer extends wireType("bad/Text", { text: f.string(), more: f.int() }) {}
  const newer = await client.client(
    defineService({ name: "Hello", methods: { say: Rpc({ request: Newer, response: f.string() }) } }),
  );
  const refused = await failure(newer.say({ text: "", more: 1 }), ContractViolationError);
  assert.equal(refused.message, "contract violation at Text: unexpected field(s) 'more'");
  assert.equal(refused.details["unexpected_fields"], "'more'");
  class Other extends wireType("bad/Other", { text: f.string() }) {}
  const other = await client.client(
    defineService({ name: "Hello", methods: { say: Rpc({ request: Other, response: Text }) } }),
  );
  await failure(other.say({ text: "" }), ContractViolationError);
  const hello = await client.client(Hello);
  assert.equal((await hello.say({ text: "ok" })).text, "ok");
});

test("services that are none", async () => {
  class Undecorated {}
  const expected = { name: "TypeError", message: "Undecorated is not @Service-decorated" };
  assert.throws(() => new AsterServer({ services: [new Undecorated()], config: local() }), expected);
  assert.throws(() => new AsterServer({ services: [Undecorated], config: local() }), expected);
  await assert.rejects(AsterServer.start({ services: [new Undecorated()] }), expected);
  const nothing = { name: "TypeError", message: "AsterServer requires at least one service" };
  assert.throws(() => new AsterServer({ services: [], config: local() }), nothing);
  assert.throws(() => new AsterServer({} as never), TypeError);
  assert.throws(() => new AsterServer({ services: [new Hello(), new Hello()], config: local() }), {
    name: "AsterError",
    kind: "already_exists",
    message: "service 'Hello' v1 is registered twice",
  });
});

test("declarations that are not supported", () => {
  const table = (field: unknown): unknown => wireType("bad/Field", { field: field as never });
  for (const field of [String, Number, Date, Map, class {}]) {
    const service = defineService({
      name: "S",
      methods: { m: Rpc({ request: table(field) as typeof Text, response: Text }) },
    });
    assert.throws(() => contractIdFromService(service), { name: "TypeError", message: /'S'.*field.*not @WireType/ });
  }
  for (const field of [null, undefined, "string", 7, {}]) assert.throws(() => table(field), TypeError);
  const of = (request: unknown): string =>
    contractIdFromService(defineService({ name: "S", methods: { m: Rpc({ request: request as typeof Text, response: Text }) } }));
  assert.throws(() => of(f.list(f.string())), { name: "TypeError", message: /f\.list is neither a message nor a bare scalar/ });
  assert.throws(() => of(wireType("bad/Map", { m: f.map(f.float(), f.int()) })), { name: "TypeError", message: /bad\/Map.*m/ });
  assert.throws(() => of(wireType("_aster/Own", { m: f.int() })), TypeError);
  assert.throws(() => of(wireType("bad/Twice", { userName: f.int(), user_name: f.int() })), TypeError);
  assert.throws(() => of(wireType("bad/Default", { n: f.uint8({ default: 300 }) })), {
    name: "TypeError",
    message: /\.n \(f\.uint8\): bad default: expected uint8$/,
  });
  class One extends wireType("bad/Same", { a: f.int() }) {}
  class Two extends wireType("bad/Same", { b: f.int() }) {}
  assert.throws(() => of(wireType("bad/Both", { one: f.ref(One), two: f.ref(Two) })), {
    name: "TypeError",
    message: /'bad\/Same' belongs to One and Two/,
  });
  assert.throws(() => f.enum("bad/Mixed", { A: 1, B: "b" }), TypeError);
});

test("declarations of streams and scopes that cannot be", () => {
  assert.throws(() => Service({ scoped: "global" as "shared" }), { name: "TypeError", message: "Service: unknown scope 'global'" });
  class Streams {
    async *tail(): AsyncGenerator<Text> {}
  }
  for (const [declare, message] of [
    [Rpc, "Rpc method 'tail' must not be a generator: declare it with ServerStream"],
    [ClientStream, "ClientStream method 'tail' must not be a generator: declare it with BidiStream"],
  ] as const) {
    const decorate = (declare as typeof ClientStream)({ request: Text, response: Text }) as unknown as (...of: unknown[]) => void;
    const descriptor = Object.getOwnPropertyDescriptor(Streams.prototype, "tail");
    assert.throws(() => decorate(Streams.prototype, "tail", descriptor), { name: "TypeError", message });
  }
  const params = { response: Text, params: { text: f.string() } } as never;
  assert.throws(() => ClientStream(params), { name: "TypeError", message: "ClientStream: unknown option 'params'" });
  assert.throws(() => BidiStream(params), { name: "TypeError", message: "BidiStream: unknown option 'params'" });
});

test("use in the wrong state, and options that do not exist", async (t) => {
  const server = new AsterServer({ services: [new Hello()], config: local() });
  assert.throws(() => server.address, { name: "InvalidStateError", message: "AsterServer not started; call start() first" });
  assert.equal(server.running, false);
  await server.start();
  await server.start();
  t.after(() => server.close());
  const client = new AsterClient({ address: server.address, config: local() });
  await assert.rejects(client.client(Hello), { name: "InvalidStateError", message: "AsterClient not connected; call connect() first" });
  await client.connect();
  await failure(client.client(class Nothing {}), TypeError);
  await client.close();
  await assert.rejects(client.connect(), { name: "InvalidStateError", kind: "closed" });
  await server.close();
  await server.close();
  await assert.rejects(new AsterServer({ services: [new Hello()], config: local() }).close().then(() => server.start().then(() => server.address)), {
    name: "InvalidStateError",
    kind: "closed",
  });
  assert.throws(() => new AsterClient({ addres: dead } as never), { name: "TypeError", message: /unknown option 'addres'/ });
  assert.throws(() => new AsterServer({ services: [new Hello()], config: new AsterConfig({ relayMode: "?" }) }), {
    name: "ConfigError",
    kind: "config",
  });
  assert.throws(() => new AsterServer({ services: [new Hello()], config: new AsterConfig({ relayModus: "x" } as never) }), {
    name: "ConfigError",
    message: "unknown configuration field 'relay_modus'",
  });
});

test("closing a client ends a connect that is under way", async () => {
  const client = new AsterClient({ address: dead, config: local() });
  const connecting = client.connect();
  const began = performance.now();
  const [closed, connected] = await Promise.allSettled([client.close(), connecting]);
  assert.equal(closed.status, "fulfilled");
  assert.equal(connected.status === "rejected" && (connected.reason as { kind: string }).kind, "closed");
  assert.ok(performance.now() - began < 3000);
});
