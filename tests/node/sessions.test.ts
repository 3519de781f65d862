/** Session services: one object per session, calls in order, close hooks (`wire.md` section 8, `node-api.md` section 6). */
import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import {
  AsterClient,
  BidiStream,
  type CallContext,
  CancelledError,
  ClientSession,
  ClientStream,
  DeadlineExceededError,
  InvalidStateError,
  NotFoundError,
  Rpc,
  RpcError,
  ServerStream,
  Service,
  UnavailableError,
  UnknownRpcError,
  f,
  wireType,
} from "@aster/rpc";
import { failure, local, pair } from "./support.js";

class Num extends wireType("sessions/Num", { value: f.int() }) {}
const nums = { request: Num, response: Num };
const num = (value: number): Num => new Num({ value });

const made: Counter[] = [];
const order: string[] = [];
let onClose: (counter: Counter) => void = () => {};
let onWait: () => void = () => {};

@Service({ name: "Counter", scoped: "session", public: true })
class Counter {
  total = 0;
  closes = 0;
  sessionIds = new Set<string | null>();

  constructor(readonly peer: string | null) {
    made.push(this);
  }

  @Rpc(nums)
  async add(request: Num, context: CallContext): Promise<Num> {
    order.push(`start ${request.value}`);
    this.sessionIds.add(context.sessionId);
    await new Promise((resolve) => setImmediate(resolve));
    this.total += request.value;
    order.push(`end ${request.value}`);
    return num(this.total);
  }

  @Rpc(nums)
  fail(): Num {
    throw new NotFoundError("nothing here");
  }

  @Rpc(nums)
  async wait(request: Num, context: CallContext): Promise<Num> {
    onWait();
    await once(context.signal, "abort");
    return request;
  }

  @ServerStream(nums)
  async *count(request: Num): AsyncGenerator<Num> {
    for (let at = 0; at < request.value; at++) {
      this.total++;
      yield num(at);
    }
  }

  @ServerStream(nums)
  async *forever(): AsyncGenerator<Num> {
    for (;;) yield num(this.total);
  }

  @ClientStream(nums)
  async sum(requests: AsyncIterable<Num>): Promise<Num> {
    for await (const { value } of requests) this.total += value;
    return num(this.total);
  }

  @BidiStream(nums)
  async *running(requests: AsyncIterable<Num>): AsyncGenerator<Num> {
    for await (const { value } of requests) yield num((this.total += value));
  }

  async onSessionClose(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    this.closes++;
    onClose(this);
  }
}

async function counter(t: Parameters<typeof pair>[0]) {
  made.length = order.length = 0;
  onClose = onWait = () => {};
  const { server, client } = await pair(t, [Counter]);
  return { server, client, stub: await client.client(Counter) };
}

const upTo = (count: number): number[] => Array.from({ length: count }, (_, at) => at);

test("one object per session, made with the peer, its calls in order", async (t) => {
  const { client, stub } = await counter(t);
  const other = await client.client(Counter);
  assert.deepEqual((await Promise.all([stub.add(num(1)), stub.add(num(2)), stub.add(num(4))])).map((one) => one.value), [1, 3, 7]);
  assert.deepEqual(order, ["start 1", "end 1", "start 2", "end 2", "start 4", "end 4"]);
  assert.equal((await other.add(num(10))).value, 10);
  assert.deepEqual(made.map((one) => [one.peer, one.total]), [[client.endpointId, 7], [client.endpointId, 10]]);
  const ids = made.flatMap((one) => [...one.sessionIds]);
  assert.equal(new Set(ids).size, 2);
  assert.ok(ids.every((id) => typeof id === "string" && id.length > 0));
});

test("all patterns in one session", async (t) => {
  const { stub } = await counter(t);
  const counted: number[] = [];
  for await (const { value } of stub.count(num(1000))) counted.push(value);
  assert.deepEqual(counted, upTo(1000));
  assert.equal((await stub.sum(upTo(100).map(num))).value, 1000 + 4950);
  assert.equal((await stub.sum([])).value, 5950);
  const channel = stub.running();
  await channel.send(num(50));
  assert.equal((await channel.recv())?.value, 6000);
  const waiting = stub.add(num(1));
  await channel.send(num(1));
  assert.equal((await channel.recv())?.value, 6001);
  await channel.close();
  assert.equal((await waiting).value, 6002);
  const last: number[] = [];
  for await (const { value } of stub.running([num(1), num(2)])) last.push(value);
  assert.deepEqual(last, [6003, 6005]);
  assert.equal(made.length, 1);
});

test("the close hook runs once, and closing waits for it", async (t) => {
  const { stub, client } = await counter(t);
  await stub.add(num(5));
  const [object] = made as [Counter];
  assert.equal(object.closes, 0);
  await stub.close();
  assert.equal(object.closes, 1);
  await stub.close();
  assert.equal(object.closes, 1);
  for (const call of [() => stub.add(num(1)), () => stub.count(num(1)).next(), () => stub.sum([]), () => stub.running().recv()]) {
    const error = await failure(call(), InvalidStateError);
    assert.deepEqual([error.message, error.kind], ["session is closed", "closed"]);
  }
  const next = await client.client(Counter);
  assert.equal((await next.add(num(1))).value, 1);
});

test("closing a session ends its calls", async (t) => {
  const { stub } = await counter(t);
  const started = new Promise<void>((resolve) => (onWait = resolve));
  const running = failure(stub.wait(num(1)), CancelledError);
  const queued = failure(stub.add(num(1)), CancelledError);
  await started;
  await stub.close();
  await Promise.all([running, queued]);
  assert.equal(made[0]?.closes, 1);
});

test("errors, deadlines and cancelled calls leave the session alive", async (t) => {
  const { stub } = await counter(t);
  await stub.add(num(1));
  await failure(stub.fail(num(0)), NotFoundError);
  await failure(stub.wait(num(0), { timeout: 60 }), DeadlineExceededError);
  const controller = new AbortController();
  onWait = () => controller.abort(new Error("enough"));
  await failure(stub.wait(num(0), { signal: controller.signal }), CancelledError);
  for await (const { value } of stub.forever(num(0))) {
    assert.equal(value, 1);
    break;
  }
  assert.equal((await stub.add(num(1))).value, 2);
  assert.deepEqual([made.length, made[0]?.closes], [1, 0]);
});

test("a lost client closes its sessions, a stopped server ends them", async (t) => {
  const { client, stub, server } = await counter(t);
  await stub.add(num(1));
  const closed = new Promise<Counter>((resolve) => (onClose = resolve));
  await client.close();
  assert.equal(await closed, made[0]);
  await failure(stub.add(num(1)), RpcError).catch((error: unknown) => assert.ok(error instanceof InvalidStateError));

  const second = await AsterClient.connect({ address: server.address, config: local() });
  t.after(() => second.close());
  const again = await second.client(Counter);
  await again.add(num(1));
  await server.close();
  await failure(again.add(num(1), { timeout: 5000 }), UnavailableError);
  assert.deepEqual(made.map((one) => one.closes), [1, 1]);
});

test("ClientSession closes the stubs of its sessions together", async (t) => {
  const { client } = await counter(t);
  {
    await using one = await client.openSession();
    await using two = await client.openSession();
    assert.ok(one instanceof ClientSession);
    assert.deepEqual([one.sessionId, two.sessionId], [1, 2]);
    const [a, b] = [await one.client(Counter), await two.client(Counter)];
    assert.equal(await one.client(Counter), a);
    await a.add(num(2));
    assert.deepEqual([(await b.add(num(10))).value, (await a.add(num(3))).value], [10, 5]);
    await one.close();
    const error = await failure(one.client(Counter), InvalidStateError);
    assert.equal(error.message, "ClientSession is closed");
  }
  // The first session is that of the stub that every test gets; no call has opened it.
  // The others were opened at the same time, so either may have come first.
  const closed = made.filter((each) => each.total > 0).map((each) => [each.total, each.closes]);
  assert.deepEqual(closed.sort(([a = 0], [b = 0]) => a - b), [[5, 1], [10, 1]]);
});

test("factories, a `close` hook, and constructors that fail", async (t) => {
  const methods = { who: Rpc({ request: f.string(), response: f.string() }) };
  let closes = 0;
  const WithClose = Service({ name: "WithClose", scoped: "stream", public: true, methods })(
    class {
      constructor(readonly greeting: string) {}
      who(request: string): string {
        return `${this.greeting} ${request}`;
      }
      close(): void {
        closes++;
      }
    },
  );
  const Broken = Service({ name: "Broken", scoped: "session", public: true, methods })(
    class {
      constructor() {
        throw new Error("no object today");
      }
      who(request: string): string {
        return request;
      }
    },
  );
  const factory = (peer: string | null): object => new WithClose(`hello ${peer?.length}`);
  const { client } = await pair(t, [{ service: WithClose, factory }, Broken]);
  const stub = await client.client(WithClose);
  assert.equal(await stub.who("x"), "hello 64 x");
  await stub.close();
  assert.equal(closes, 1);
  const broken = await client.client(Broken);
  for (let at = 0; at < 2; at++) {
    assert.equal((await failure(broken.who("x"), UnknownRpcError)).message, "no object today");
  }
  await broken.close();
});

test("a server has a bound on sessions", async (t) => {
  made.length = 0;
  const { client } = await pair(t, [Counter], { maxSessionsPerConnection: 1 });
  const stub = await client.client(Counter);
  assert.equal((await stub.add(num(1))).value, 1);
  const second = await client.client(Counter);
  const refused = await failure(second.add(num(1)), RpcError);
  assert.equal(refused.codeName, "RESOURCE_EXHAUSTED");
  await stub.close();
  const third = await client.client(Counter);
  assert.equal((await third.add(num(1))).value, 1);
});
