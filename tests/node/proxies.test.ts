/** Clients without classes: with the contract, and with JSON that nobody on this side checks. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import {
  type BidiChannel,
  BidiStream,
  type CallContext,
  type CallOptions,
  CancelledError,
  ContractManifest,
  ContractViolationError,
  DeadlineExceededError,
  type Declared,
  InvalidArgumentError,
  InvalidStateError,
  type PlainMessage,
  ProxyClient,
  Rpc,
  Service,
  ServiceNotFoundError,
  SessionProxy,
  UnimplementedError,
  withOptions,
} from "@aster/rpc";
import { Count, Everything, Leaf, Plain, PlainSession, everything } from "./plain-service.js";
import { failure, pair, root } from "./support.js";

interface Discovery {
  of(summary: object, int64: string): { ready: Promise<void>; plan: unknown };
}
interface Proxies {
  Discovery: new (engine: unknown, fetch: (summary: object) => Promise<string | undefined>) => Discovery;
}
const { Discovery } = (await import(`${root}ts/dist/discovery.js`)) as Proxies;
const { engine } = (await import(`${root}ts/dist/engine.js`)) as { engine: () => { native: unknown } };

type Fetch = (summary: { name: string; contractId: string }) => Promise<string | undefined>;

const manifests: Record<string, Declared> = { Plain, PlainSession };
const published: Fetch = async ({ name }) => ContractManifest.fromService(manifests[name] as Declared).toJson();
const unpublished: Fetch = async () => undefined;

/** A server, and a client that fetches contracts with `fetch`. */
async function served(t: TestContext, fetch: Fetch) {
  const plain = new Plain();
  const { client } = await pair(t, [plain, PlainSession]);
  // As the client has it, but for where manifests come from.
  (client as unknown as { discovery: Discovery }).discovery = new Discovery(engine().native, fetch as never);
  return { client, plain };
}

async function collected<T>(items: AsyncIterable<T>): Promise<T[]> {
  const out: T[] = [];
  for await (const item of items) out.push(item);
  return out;
}

const both = { "with the contract": published, "with JSON": unpublished };

for (const [how, fetch] of Object.entries(both)) {
  test(`every pattern, ${how}`, async (t) => {
    const { client } = await served(t, fetch);
    type Methods = "up" | "sum" | "double";
    const session = await client.session<Methods>("PlainSession");
    for (const proxy of [client.proxy<Methods>("Plain"), session]) {
      // Opened before it is known whether there is a contract.
      const early = proxy.double.bidi();
      await early.send({ value: 21 });
      await early.closeSend();
      assert.deepEqual(await early.recv(), { value: 42 });
      assert.equal(await early.recv(), undefined);
      assert.deepEqual(await proxy.up.stream({ value: 3 }).next(), { done: false, value: { value: 1 } });
      assert.deepEqual(await collected(proxy.up.stream({ value: 3 })), [{ value: 1 }, { value: 2 }, { value: 3 }]);
      assert.deepEqual(await proxy.sum([{ value: 1 }, { value: 2n ** 62n }]), { value: 2n ** 62n + 1n });
      const source = (async function* () {
        yield { value: 4 };
      })();
      assert.deepEqual(await collected(proxy.double.bidi(source)), [{ value: 8 }]);
      assert.deepEqual(await proxy.$call("sum", [{ value: 5 }]), { value: 5 });
      assert.deepEqual(await proxy.$call.stream("up", { value: 1 }).next(), { done: false, value: { value: 1 } });
      assert.deepEqual(await proxy.$call.bidi("double", [{ value: 1 }]).next(), { done: false, value: { value: 2 } });
    }
    await session.close();
  });

  test(`deadlines and signals, ${how}`, async (t) => {
    const { client } = await served(t, fetch);
    const proxy = client.proxy<"wait" | "up">("Plain");
    for (const _ of ["the first call", "a later one"]) {
      await failure(proxy.wait({ value: 0 }, { timeout: 50 }), DeadlineExceededError);
      const controller = new AbortController();
      const call = proxy.wait({ value: 0 }, { signal: controller.signal });
      await turn();
      controller.abort(new Error("enough"));
      assert.equal(((await failure(call, CancelledError)).cause as Error).message, "enough");
      await failure(proxy.up.stream({ value: 3 }, { signal: AbortSignal.abort() }).next(), CancelledError);
    }
  });

  test(`what a server refuses, ${how}`, async (t) => {
    const { client, plain } = await served(t, fetch);
    const proxy = client.proxy<"echo" | "gone">("Plain");
    await failure(proxy.gone({}), UnimplementedError);
    const wrong = { ...everything(), leaves: [{ name: "a", colour: "RED", hue: 1 }] };
    const error = await failure(proxy.echo(how === "with JSON" ? { title: "a", oops: 1 } : wrong), ContractViolationError);
    assert.equal(error.details["unexpected_fields"], how === "with JSON" ? "'oops'" : "'hue'");
    assert.deepEqual(plain.seen, []);
  });
}

test("every kind of field as plain values", async (t) => {
  const { client, plain } = await served(t, published);
  const sent = everything();
  const got = (await client.proxy<"echo">("Plain").echo(sent)) as unknown as ReturnType<typeof everything>;
  const { byName, byColour } = got;
  // Records come without a prototype.
  assert.deepEqual([Object.getPrototypeOf(byName), Object.getPrototypeOf(byColour)], [null, null]);
  assert.deepEqual({ ...got, byName: { ...byName }, byColour: { ...byColour } }, { ...sent, parent: null });
  const [seen] = plain.seen as [Everything];
  assert.ok(seen instanceof Everything && seen.leaves[0] instanceof Leaf);
  assert.deepEqual([seen.count, seen.unsigned, seen.size, seen.leaves[0]?.colour], [5n, 2n ** 64n - 1n, "large", 1]);
  assert.equal(seen.at, BigInt(sent.at.getTime()) * 1000n);
});

function without(value: object, key: string): object {
  return Object.fromEntries(Object.entries(value).filter(([name]) => name !== key));
}

test("what is left out, written otherwise, or exact", async (t) => {
  const { client, plain } = await served(t, published);
  const proxy = client.proxy<"echo" | "twice">("Plain");
  const base = without(everything(), "with_default");
  const sent = { ...base, tags: ["x", "x"], byName: new Map([["a", { name: "a", colour: "RED" }]]), parent: base, count: 2n ** 63n - 1n };
  const got = await proxy.echo<PlainMessage & { parent: PlainMessage }>(sent);
  assert.deepEqual([got["with_default"], got["tags"], got["count"]], [7, new Set(["x"]), 2n ** 63n - 1n]);
  assert.deepEqual([got.parent["count"], got.parent["title"]], [5, base["title" as never]]);
  assert.equal(plain.seen.length, 1);
  // A bare scalar is all of its message.
  assert.equal(await proxy.twice<number>(21), 42);
  // Always bigint, if that was asked for.
  const wide = client.proxy<"echo" | "twice">("Plain", { int64: "bigint" });
  assert.equal((await wide.echo(everything()))["count"], 5n);
  assert.equal(await wide.twice<bigint>(21n), 42n);
});

test("values that do not fit are refused here", async (t) => {
  const { client, plain } = await served(t, published);
  const proxy = client.proxy<"echo">("Plain");
  const wrong: [object, string][] = [
    [{ count: 1.5 }, "Everything.count"],
    [{ count: "5" }, "Everything.count"],
    [{ count: 2n ** 63n }, "Everything.count"],
    [{ unsigned: -1 }, "Everything.unsigned"],
    [{ small: 128 }, "Everything.small"],
    [{ size: "large" }, "Everything.size"],
    [{ raw: "AA==" }, "Everything.raw"],
    [{ at: "2024-01-01" }, "Everything.at"],
    [{ day: "2024-02-30" }, "Everything.day"],
    [{ price: 1 }, "Everything.price"],
    [{ toString: 1 }, "Everything"],
    [{ leaves: [{ name: "a" }] }, "Everything.leaves[0]"],
    [{ leaves: [new Map()] }, "Everything.leaves[0]"],
    [{ parent: { title: 1 } }, "Everything.parent"],
  ];
  for (const [change, location] of wrong) {
    const error = await failure(proxy.echo({ ...everything(), ...change }), ContractViolationError);
    assert.ok(error.details["location"]?.startsWith(location), JSON.stringify([location, error.details]));
  }
  assert.deepEqual(plain.seen, []);
});

test("unknown keys are told as the server tells them", async (t) => {
  const here = (await served(t, published)).client.proxy<"echo">("Plain");
  const there = (await served(t, unpublished)).client.proxy<"echo">("Plain");
  const message = { ...without(everything(), "parent"), byColour: { RED: 1 }, unsigned: 1, byNumber: { 3: "three" }, tags: ["x"], lasts: "1.5s" };
  const wrong = { ...message, leaves: [{ name: "a", colour: "RED", hue: 1, "b\n": 2 }] };
  const [ours, theirs] = [await failure(here.echo({ ...wrong, byNumber: new Map(), lasts: 1 }), ContractViolationError), await failure(there.echo(wrong), ContractViolationError)];
  for (const key of ["unexpected_fields", "location", "expected_class"]) {
    assert.ok(ours.details[key], key);
    assert.equal(ours.details[key], theirs.details[key], key);
  }
});

test("wrong forms of call name the right one", async (t) => {
  const { client } = await served(t, published);
  const proxy = client.proxy<"echo" | "up" | "sum" | "double">("Plain");
  const told = async (promise: Promise<unknown>): Promise<string> => (await failure(promise, TypeError)).message;
  const expected: Record<string, [string, () => Promise<unknown>][]> = {
    "'Plain.echo' is a unary method. Use proxy.echo({...}).": [
      ["an iterable", () => proxy.echo([])],
      ["stream", () => proxy.echo.stream({}).next()],
      ["bidi", () => proxy.echo.bidi().send({})],
    ],
    "'Plain.up' is a server_stream method. Use proxy.up.stream({...}).": [["call", () => proxy.up({ value: 1 })]],
    "'Plain.sum' is a client_stream method. Use proxy.sum(asyncIterable).": [["a message", () => proxy.sum({ value: 1 })]],
    "'Plain.double' is a bidi_stream method. Use proxy.double.bidi().": [
      ["call", () => proxy.double([])],
      ["stream", () => proxy.double.stream().next()],
    ],
  };
  for (const [text, calls] of Object.entries(expected)) {
    for (const [what, call] of calls) assert.equal(await told(call()), text, what);
  }
});

test("services that are not there, or of the other scope", async (t) => {
  const { client } = await served(t, published);
  const unknown = { name: "ServiceNotFoundError", message: "Service 'Nope' not found. Available: ['Plain', 'PlainSession']" };
  assert.throws(() => client.proxy("Nope"), unknown);
  await assert.rejects(client.session("Nope"), unknown);
  await failure(client.session("Nope"), ServiceNotFoundError);
  assert.throws(() => client.proxy("PlainSession"), {
    name: "TypeError",
    message: "'PlainSession' is session-scoped. Use 'await client.session(\"PlainSession\")' instead of 'client.proxy(\"PlainSession\")'.",
  });
  await assert.rejects(client.session("Plain"), { message: "'Plain' is not session-scoped. Use 'client.proxy(\"Plain\")'." });
  assert.throws(() => client.proxy("Plain", { int64: "number" as never }), TypeError);
});

test("a proxy is harmless to look at", async (t) => {
  const { client, plain } = await served(t, published);
  const proxy = client.proxy("Plain");
  assert.equal(await proxy, proxy);
  assert.ok(proxy instanceof ProxyClient);
  for (const name of ["then", "catch", "finally", "_hidden", "toJSON"]) assert.equal(proxy[name], undefined, name);
  assert.equal(String(proxy), "[object Object]");
  assert.equal(JSON.stringify({ proxy }), '{"proxy":{}}');
  assert.equal(proxy["echo"], proxy["echo"]);
  assert.throws(() => ((proxy as { echo?: unknown }).echo = 1), TypeError);
  assert.deepEqual(plain.seen, []);
});

test("sessions end", async (t) => {
  for (const fetch of Object.values(both)) {
    const { client } = await served(t, fetch);
    const session = await client.session<"twice" | "up">("PlainSession");
    assert.ok(session instanceof SessionProxy && session.sessionId);
    assert.equal(await session, session);
    const { sessionId } = session;
    assert.deepEqual(await session.up.stream({ value: 1 }).next(), { done: false, value: { value: 1 } });
    await session.close();
    await session.close();
    assert.equal(session.sessionId, sessionId);
    assert.equal((await failure(session.twice(1), InvalidStateError)).message, "session is closed");
    await using again = await client.session("PlainSession");
    assert.notEqual(again.sessionId, sessionId);
  }
});

test("a slow contract does not hold a call beyond its deadline", async (t) => {
  const waits = new Promise<undefined>((resolve) => t.after(() => resolve(undefined)));
  const { client } = await served(t, () => waits);
  const proxy = client.proxy<"twice" | "up" | "double">("Plain");
  await failure(proxy.twice(1, { timeout: 20 }), DeadlineExceededError);
  await failure(proxy.up.stream({ value: 1 }, { timeout: 20 }).next(), DeadlineExceededError);
  await failure(proxy.twice(1, { signal: AbortSignal.timeout(20) }), CancelledError);
  const stream = proxy.up.stream({ value: 1 });
  const read = stream.next();
  stream.cancel();
  await failure(read, CancelledError);
  assert.deepEqual(await stream.next(), { done: true, value: undefined });
  const channel = proxy.double.bidi();
  channel.cancel();
  assert.equal(await channel.recv(), undefined);
});

test("contracts that are not the advertised ones are not used", async (t) => {
  const other = ContractManifest.fromService(PlainSession).toJson();
  const broken = ContractManifest.fromService(Plain).toJson().replaceAll('"varint64"', '"varint32"');
  for (const text of [other, broken, "{}", "no JSON"]) {
    const { client } = await served(t, async () => text);
    await assert.rejects(client.proxy<"twice">("Plain").twice(1), /contract|manifest|JSON/);
  }
});

test("JSON without a contract has JSON's values", async (t) => {
  const { client, plain } = await served(t, unpublished);
  const proxy = client.proxy<"echo" | "twice" | "sum">("Plain");
  const { at, raw, tags, byNumber, ...rest } = everything();
  const sent = { ...rest, at, raw, tags, byNumber, lasts: "1.5s" };
  const got = await proxy.echo(sent);
  assert.deepEqual(
    [got["unsigned"], got["count"], got["raw"], got["tags"], got["byNumber"]],
    [2n ** 64n - 1n, 5, "AP8=", ["x", "y"], { 3: "three" }],
  );
  assert.equal((plain.seen[0] as Everything).unsigned, 2n ** 64n - 1n);
  for (const wrong of [{ ratio: NaN }, { title: () => 1 }, { title: Symbol("a") }, { byNumber: new Map([[{}, 1]]) }]) {
    await failure(proxy.echo({ ...sent, ...wrong }), InvalidArgumentError);
  }
  const circle: Record<string, unknown> = {};
  circle["circle"] = circle;
  await failure(proxy.echo(circle), InvalidArgumentError);
  assert.equal(plain.seen.length, 1);
});

test("proxies of a closed client", async (t) => {
  const { client } = await served(t, published);
  const proxy = client.proxy<"twice">("Plain");
  assert.equal(await proxy.twice<number>(1), 2);
  await client.close();
  await assert.rejects(proxy.twice(1), InvalidStateError);
  assert.throws(() => client.proxy("Plain"), InvalidStateError);
});

test("siblings with other defaults", async (t) => {
  const seen: object[] = [];
  const note = (ctx: CallContext): void => void seen.push({ ...ctx.metadata, limited: ctx.deadline !== null });
  const methods = { note: Rpc({ request: Count, response: Count }), talk: BidiStream({ request: Count, response: Count }) };
  const Noting = Service({ name: "Noting", methods })(
    class {
      async note(count: Count, ctx: CallContext): Promise<Count> {
        note(ctx);
        return count;
      }
      async *talk(counts: AsyncIterable<Count>, ctx: CallContext): AsyncGenerator<Count> {
        note(ctx);
        yield* counts;
      }
    },
  );
  const { client } = await pair(t, [new Noting()]);
  (client as unknown as { discovery: Discovery }).discovery = new Discovery(engine().native, async () => {
    return ContractManifest.fromService(Noting).toJson();
  });
  type Calls = { note(value: unknown, options?: CallOptions): Promise<unknown>; talk(...args: unknown[]): AsyncIterable<unknown> };
  const stub = (await client.client(Noting)) as unknown as Calls;
  const proxy = client.proxy<"note" | "talk">("Noting");
  const ofStub = (from: Calls): Calls => from;
  const ofProxy = (from: typeof proxy): Calls => ({
    note: (value, options) => from.note(value, options),
    talk: (...args) => from.talk.bidi(...(args as [])),
  });
  const second = <S extends object>(of: S): [S, S] => {
    const first = withOptions(of, { metadata: { a: "1", b: "1" } });
    return [first, withOptions(first, { timeout: 5000, metadata: { b: "2" } })];
  };
  for (const [one, two] of [second(stub).map(ofStub), second(proxy).map(ofProxy)] as [Calls, Calls][]) {
    seen.length = 0;
    await one.note({ value: 1n });
    await two.note({ value: 1n }, { metadata: { c: "3" }, timeout: undefined as never });
    assert.equal((await collected(two.talk([{ value: 1n }], { metadata: { c: "4" } }))).length, 1);
    const channel = two.talk({ metadata: { c: "5" } }) as BidiChannel<object, object>;
    await channel.close();
    const limited = true;
    assert.deepEqual(seen, [
      { a: "1", b: "1", limited: false },
      ...["3", "4", "5"].map((c) => ({ a: "1", b: "2", c, limited })),
    ]);
  }
  assert.throws(() => withOptions({}, {}), TypeError);
  assert.throws(() => withOptions(stub, { prefetch: 1 } as never), TypeError);
  assert.throws(() => withOptions(stub, { metadata: 3 } as never), TypeError);
});
