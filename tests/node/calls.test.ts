import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import {
  AsterClient,
  AsterServer,
  CallContext,
  CancelledError,
  DeadlineExceededError,
  InvalidArgumentError,
  NotFoundError,
  ResourceExhaustedError,
  Rpc,
  RpcError,
  SerializationMode,
  Service,
  UnavailableError,
  UnknownRpcError,
  defineService,
  f,
  wireType,
} from "@aster/rpc";
import { failure, local, pair } from "./support.js";

class Text extends wireType("calls/Text", { text: f.string() }) {}
class Facts extends wireType("calls/Facts", { facts: f.record(f.string()) }) {}

const text = { request: Text, response: Text };

@Service({ name: "Lab", public: true })
class Lab {
  contexts: CallContext[] = [];
  onStart: () => void = () => {};

  @Rpc(text)
  async echo(request: Text): Promise<Text> {
    return request;
  }

  @Rpc(text)
  echoNow(request: Text): Text {
    return { text: request.text };
  }

  @Rpc({ request: Text, response: Facts, idempotent: true })
  async facts(_: Text, context: CallContext): Promise<Facts> {
    await sleep(1);
    assert.equal(CallContext.current(), context);
    const { service, method, callId, peer, metadata, deadline, remainingMs } = context;
    const facts = { service, method, callId, peer: String(peer), ...metadata };
    return { facts: { ...facts, deadline: String(deadline !== null), left: String(remainingMs) } };
  }

  @Rpc(text)
  async fail(request: Text): Promise<Text> {
    switch (request.text) {
      case "status":
        throw new NotFoundError("no such thing", { id: "7" });
      case "number":
        throw new RpcError(250, "own code");
      case "type":
        return { text: 1 } as unknown as Text;
      case "nothing":
        return undefined as unknown as Text;
      default:
        throw new Error("secret text");
    }
  }

  @Rpc(text)
  async wait(request: Text, context: CallContext): Promise<Text> {
    this.contexts.push(context);
    this.onStart();
    await once(context.signal, "abort");
    return request;
  }

  @Rpc({ request: f.string(), response: f.int() })
  async length(request: string): Promise<number> {
    return request.length;
  }
}

test("calls in order and at once", async (t) => {
  const { client } = await pair(t, [new Lab()]);
  const lab = await client.client(Lab);
  const reply = await lab.echo(new Text({ text: "hi" }));
  assert.ok(reply instanceof Text);
  assert.equal(reply.text, "hi");
  assert.equal((await lab.echoNow({ text: "plain" })).text, "plain");
  assert.equal(await lab.length("vier"), 4);
  const many = await Promise.all(Array.from({ length: 1000 }, (_, at) => lab.echo({ text: `${at}` })));
  assert.deepEqual(many.map((one) => Number(one.text)), Array.from({ length: 1000 }, (_, at) => at));
});

test("texts of every width, and bodies that are compressed", async (t) => {
  const { client } = await pair(t, [new Lab()]);
  const lab = await client.client(Lab);
  for (const one of ["", "é", "ÿ".repeat(300), "你好", "😀", "\0", "x".repeat(254), "x".repeat(255), "ab".repeat(100_000)]) {
    assert.equal((await lab.echo({ text: one })).text, one);
    assert.equal((await lab.echo({ text: one }, { serialization: SerializationMode.JSON })).text, one);
  }
});

test("a handler sees its call", async (t) => {
  const { client } = await pair(t, [new Lab()]);
  const lab = await client.client(Lab);
  const { facts } = await lab.facts({ text: "" }, { metadata: { "x-a": "1", "x-b": "ü" }, timeout: 5000 });
  assert.equal(facts["service"], "Lab");
  assert.equal(facts["method"], "facts");
  assert.equal(facts["peer"], client.endpointId);
  assert.ok(facts["callId"]);
  assert.equal(facts["x-a"], "1");
  assert.equal(facts["x-b"], "ü");
  assert.equal(facts["deadline"], "true");
  assert.ok(Number(facts["left"]) > 3000);
  const without = (await lab.facts({ text: "" })).facts;
  assert.equal(without["deadline"], "false");
  assert.equal(CallContext.current(), undefined);
});

test("statuses of handlers travel", async (t) => {
  const warnings: string[] = [];
  const listen = (warning: Error): void => void warnings.push(warning.message);
  process.on("warning", listen);
  t.after(() => process.off("warning", listen));
  const { client } = await pair(t, [new Lab()]);
  const lab = await client.client(Lab);
  const missing = await failure(lab.fail({ text: "status" }), NotFoundError);
  assert.equal(missing.code, 5);
  assert.equal(missing.codeName, "NOT_FOUND");
  assert.equal(missing.message, "no such thing");
  assert.deepEqual({ ...missing.details }, { id: "7" });
  assert.equal(missing.kind, "rpc");
  assert.equal(missing.number, 1030);
  assert.equal(String(missing), "[NOT_FOUND] no such thing");
  const own = await failure(lab.fail({ text: "number" }), RpcError);
  assert.equal(own.codeName, "CODE_250");
  const shown = await failure(lab.fail({ text: "" }), UnknownRpcError);
  assert.equal(shown.message, "secret text");
  assert.ok(shown.callId);
  const wrong = await failure(lab.fail({ text: "type" }), RpcError);
  assert.equal(wrong.message, "cannot encode response: contract violation at Text.text: expected string");
  assert.equal(wrong.codeName, "INTERNAL");
  const nothing = await failure(lab.fail({ text: "nothing" }), RpcError);
  assert.match(nothing.message, /^cannot encode response: /);
  assert.equal((await lab.echo({ text: "still here" })).text, "still here");
  await sleep(1);
  assert.ok(warnings.some((one) => one.includes("Lab.fail failed") && one.includes("secret text")));
});

test("texts of exceptions are hidden on request", async (t) => {
  const { client } = await pair(t, [new Lab()], { exposeErrors: false });
  const lab = await client.client(Lab);
  const hidden = await failure(lab.fail({ text: "" }), UnknownRpcError);
  assert.equal(hidden.message, `internal error; call id ${hidden.callId}`);
});

test("deadlines end calls on both sides", async (t) => {
  const service = new Lab();
  const { client } = await pair(t, [service]);
  const lab = await client.client(Lab);
  const began = performance.now();
  await failure(lab.wait({ text: "" }, { timeout: 50 }), DeadlineExceededError);
  assert.ok(performance.now() - began < 2000);
  const [context] = service.contexts;
  if (context && !context.signal.aborted) await once(context.signal, "abort");
  for (const timeout of [0, -1]) await failure(lab.echo({ text: "" }, { timeout }), DeadlineExceededError);
  await failure(lab.echo({ text: "" }, { timeout: Number.NaN }), RangeError);
});

test("an AbortSignal cancels before, during and after", async (t) => {
  const service = new Lab();
  const { client } = await pair(t, [service]);
  const lab = await client.client(Lab);
  const reason = new Error("enough");
  const before = await failure(lab.wait({ text: "" }, { signal: AbortSignal.abort(reason) }), CancelledError);
  assert.equal(before.cause, reason);
  assert.equal(service.contexts.length, 0);

  const controller = new AbortController();
  const started = new Promise<void>((resolve) => (service.onStart = resolve));
  const call = lab.wait({ text: "" }, { signal: controller.signal });
  await started;
  controller.abort(reason);
  const during = await failure(call, CancelledError);
  assert.equal(during.cause, reason);
  const [context] = service.contexts as [CallContext];
  if (!context.signal.aborted) await once(context.signal, "abort");
  assert.ok(context.signal.reason instanceof CancelledError);

  const late = new AbortController();
  assert.equal((await lab.echo({ text: "x" }, { signal: late.signal })).text, "x");
  late.abort();
  assert.equal((await lab.echo({ text: "y" })).text, "y");
});

test("a server that closes ends the calls it runs", async (t) => {
  const service = new Lab();
  const { server, client } = await pair(t, [service]);
  const lab = await client.client(Lab);
  const started = new Promise<void>((resolve) => (service.onStart = resolve));
  const call = failure(lab.wait({ text: "" }), UnavailableError);
  await started;
  await server.close();
  await call;
  assert.ok((service.contexts[0] as CallContext).signal.aborted);
  await failure(lab.echo({ text: "" }, { timeout: 1000 }), RpcError);
});

test("a client that closes ends its calls", async (t) => {
  const service = new Lab();
  const { client } = await pair(t, [service]);
  const lab = await client.client(Lab);
  const started = new Promise<void>((resolve) => (service.onStart = resolve));
  const call = failure(lab.wait({ text: "" }), RpcError);
  await started;
  await client.close();
  await client.close();
  await call;
  await assert.rejects(lab.echo({ text: "" }), { name: "InvalidStateError", kind: "closed" });
});

test("drain lets running calls end and refuses new ones", async (t) => {
  const service = new Lab();
  const { server, client } = await pair(t, [service]);
  const lab = await client.client(Lab);
  const started = new Promise<void>((resolve) => (service.onStart = resolve));
  const call = failure(lab.wait({ text: "" }), UnavailableError);
  await started;
  const drained = server.drain({ graceMs: 100 });
  const refused = await failure(lab.echo({ text: "" }, { timeout: 5000 }), UnavailableError);
  assert.equal(refused.message, "server is draining");
  await drained;
  await call;
});

test("what does not fit a frame is refused before it is sent", async (t) => {
  const { client } = await pair(t, [new Lab()]);
  const lab = await client.client(Lab);
  const noise = Buffer.alloc(17 * 1024 * 1024);
  for (let at = 0; at < noise.length; at += 4) noise.writeUInt32BE((Math.random() * 2 ** 32) >>> 0, at);
  const error = await failure(lab.echo({ text: noise.toString("latin1") }), ResourceExhaustedError);
  assert.match(error.message, /^request exceeds limit of \d+ bytes$/);
  const reserved = failure(lab.echo({ text: "" }, { metadata: { "aster-x": "1" } }), InvalidArgumentError);
  await reserved;
  await failure(lab.echo({ text: "" }, { metadata: { key: "x".repeat(5000) } }), ResourceExhaustedError);
  assert.equal((await lab.echo({ text: "usable" })).text, "usable");
});

test("one server has several services, in several versions", async (t) => {
  const Two = Service({ name: "Lab", version: 2, methods: { echo: Rpc(text) } })(
    class {
      echo(request: Text): Text {
        return { text: `2 ${request.text}` };
      }
    },
  );
  const server = await AsterServer.start({ services: [Lab, { service: Two, factory: () => new Two() }], config: local() });
  t.after(() => server.close());
  assert.deepEqual(server.services.map((one) => [one.name, one.version]), [["Lab", 1], ["Lab", 2]]);
  const client = await AsterClient.connect({ address: server.endpointAddrB64, config: local() });
  t.after(() => client.close());
  const contract = defineService({ name: "Lab", version: 2, methods: { echo: Rpc(text) } });
  const [one, two] = [await client.client(Lab), await client.client(contract)];
  assert.equal((await one.echo({ text: "a" })).text, "a");
  assert.equal((await two.echo({ text: "a" })).text, "2 a");
  assert.equal(client.openGate, true);
  assert.equal(server.rootPubkey.length, 32);
});
