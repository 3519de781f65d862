/** The four patterns over QUIC: order, ends, errors, cancelling, deadlines, back pressure (`node-api.md` section 6). */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { test } from "node:test";
import {
  BidiChannel,
  BidiStream,
  CallContext,
  CancelledError,
  ClientStream,
  ContractViolationError,
  DeadlineExceededError,
  InternalError,
  InvalidStateError,
  NotFoundError,
  ResourceExhaustedError,
  Rpc,
  RpcError,
  ServerStream,
  ServerStreamCall,
  Service,
  StreamClosedError,
  UnavailableError,
  defineService,
  f,
  wireType,
} from "@aster/rpc";
import { failure, pair } from "./support.js";

class Num extends wireType("streams/Num", { value: f.int() }) {}
class Blob extends wireType("streams/Blob", { data: f.bytes() }) {}

const nums = { request: Num, response: Num };
const UNLUCKY = -13;
const num = (value: number): Num => new Num({ value });

/** Resolves when something has happened. */
class Signal {
  #fire: () => void = () => {};
  readonly fired = new Promise<void>((resolve) => (this.#fire = resolve));
  fire(): void {
    this.#fire();
  }
}

@Service({ name: "Numbers", public: true })
class Numbers {
  started = new Signal();
  stopped = new Signal();
  returned = new Signal();
  context: CallContext | undefined;
  sent = 0;
  seen: number[] = [];

  #begin(context: CallContext): void {
    this.context = context;
    context.signal.addEventListener("abort", () => this.stopped.fire());
    this.started.fire();
  }

  @Rpc(nums)
  double(request: Num): Num {
    return num(request.value * 2);
  }

  @ServerStream(nums)
  async *count(request: Num, context: CallContext): AsyncGenerator<Num> {
    assert.equal(CallContext.current(), context);
    assert.deepEqual([context.pattern, context.isStreaming, context.sessionId], ["server_stream", true, null]);
    for (let at = 0; at < request.value; at++) {
      yield num(at);
      assert.equal(CallContext.current(), context);
    }
  }

  @ServerStream(nums)
  async *breaks(request: Num): AsyncGenerator<Num> {
    for (let at = 0; at < request.value; at++) yield num(at);
    throw new NotFoundError("no more", { at: String(request.value) });
  }

  @ServerStream(nums)
  async *misfit(): AsyncGenerator<Num> {
    try {
      yield num(1);
      yield { value: "two" } as unknown as Num;
    } finally {
      this.returned.fire();
    }
  }

  @ServerStream(nums)
  async *forever(_: Num, context: CallContext): AsyncGenerator<Num> {
    this.#begin(context);
    try {
      for (let at = 0; ; at++) {
        this.sent = at;
        yield num(at);
      }
    } finally {
      this.returned.fire();
    }
  }

  @ServerStream(nums)
  async *hangs(_: Num, context: CallContext): AsyncGenerator<Num> {
    this.#begin(context);
    yield num(0);
    await once(context.signal, "abort");
    this.returned.fire();
  }

  @ServerStream({ request: Num, response: Blob })
  async *large(request: Num, context: CallContext): AsyncGenerator<Blob> {
    this.#begin(context);
    const blob = new Blob({ data: randomBytes(request.value) });
    for (let at = 0; ; at++) {
      this.sent = at;
      yield blob;
    }
  }

  @ClientStream(nums)
  async total(requests: AsyncIterable<Num>, context: CallContext): Promise<Num> {
    assert.equal(context.pattern, "client_stream");
    let sum = 0;
    for await (const { value } of requests) sum += value;
    assert.equal(CallContext.current(), context);
    return num(sum);
  }

  @ClientStream(nums)
  async first(requests: AsyncIterable<Num>): Promise<Num> {
    for await (const one of requests) return one;
    return num(-1);
  }

  @ClientStream(nums)
  async refuses(requests: AsyncIterable<Num>): Promise<Num> {
    for await (const { value } of requests) if (value === 3) throw new ResourceExhaustedError("three is too much");
    return num(0);
  }

  @ClientStream(nums)
  async stalls(requests: AsyncIterable<Num>, context: CallContext): Promise<Num> {
    this.#begin(context);
    await once(context.signal, "abort");
    await requests[Symbol.asyncIterator]().next().catch((error: unknown) => {
      assert.ok(error instanceof CancelledError);
      this.returned.fire();
    });
    return num(0);
  }

  @ClientStream({ request: Blob, response: Num })
  async hoards(_: AsyncIterable<Blob>, context: CallContext): Promise<Num> {
    this.#begin(context);
    await once(context.signal, "abort");
    return num(0);
  }

  @BidiStream(nums)
  async *negate(requests: AsyncIterable<Num>, context: CallContext): AsyncGenerator<Num> {
    this.#begin(context);
    assert.equal(context.pattern, "bidi_stream");
    try {
      for await (const { value } of requests) {
        if (value === UNLUCKY) throw new NotFoundError("unlucky");
        yield num(-value);
      }
    } finally {
      this.returned.fire();
    }
  }

  @BidiStream(nums)
  async *greets(requests: AsyncIterable<Num>): AsyncGenerator<Num> {
    yield num(42);
    for await (const { value } of requests) this.seen.push(value);
    yield num(this.seen.length);
  }

  @BidiStream(nums)
  async *short(requests: AsyncIterable<Num>): AsyncGenerator<Num> {
    for await (const one of requests) {
      yield one;
      return;
    }
  }
}

async function numbers(t: Parameters<typeof pair>[0]) {
  const service = new Numbers();
  const { server, client } = await pair(t, [service]);
  return { service, server, client, stub: await client.client(Numbers) };
}

async function collect(items: AsyncIterable<Num>): Promise<number[]> {
  const out: number[] = [];
  for await (const { value } of items) out.push(value);
  return out;
}

const upTo = (count: number): number[] => Array.from({ length: count }, (_, at) => at);

test("server streams: none, one, thousands of items, in order", async (t) => {
  const { stub } = await numbers(t);
  for (const count of [0, 1, 3, 17, 5000]) assert.deepEqual(await collect(stub.count(num(count))), upTo(count));
  for (const prefetch of [1, 2, 3, 1024]) {
    assert.deepEqual(await collect(stub.count(num(100), { prefetch })), upTo(100));
  }
  const call = stub.count({ value: 2 });
  assert.ok(call instanceof ServerStreamCall);
  const [one, two, end, after] = await Promise.all([call.next(), call.next(), call.next(), call.next()]);
  assert.ok(one.value instanceof Num);
  assert.deepEqual([one.value.value, two.value?.value, end.done, after.done], [0, 1, true, true]);
  assert.equal((await stub.double(num(4))).value, 8);
});

test("client streams: none, one, thousands of items, of every kind of source", async (t) => {
  const { stub } = await numbers(t);
  assert.equal((await stub.total([])).value, 0);
  assert.equal((await stub.total([num(1), { value: 5 }])).value, 6);
  assert.equal((await stub.total(new Set([num(1)]))).value, 1);
  async function* source(): AsyncGenerator<Num> {
    for (const value of upTo(5000)) yield num(value);
  }
  assert.equal((await stub.total(source())).value, 12497500);
  await failure(stub.total("text" as never), TypeError);
  await failure(stub.total(num(1) as never), TypeError);
});

test("an early answer stops the source", async (t) => {
  const { stub } = await numbers(t);
  let stopped = false;
  function* endless(): Generator<Num> {
    try {
      for (let value = 7; ; value++) yield num(value);
    } finally {
      stopped = true;
    }
  }
  assert.equal((await stub.first(endless())).value, 7);
  assert.ok(stopped);

  const waits = new Signal();
  async function* quiet(): AsyncGenerator<Num> {
    yield num(9);
    await waits.fired;
  }
  assert.equal((await stub.first(quiet())).value, 9);
  waits.fire();
  const error = await failure(stub.refuses(upTo(1000).map(num)), ResourceExhaustedError);
  assert.equal(error.message, "three is too much");
});

test("what a source fails with is what the caller gets, and the handler is told", async (t) => {
  const { stub, service } = await numbers(t);
  const mine = new Error("mine");
  async function* broken(): AsyncGenerator<Num> {
    yield num(1);
    await service.started.fired;
    throw mine;
  }
  assert.equal(await failure(stub.stalls(broken()), Error), mine);
  await service.returned.fired;
  await failure(stub.total([num(1), { value: "x" } as never]), ContractViolationError);
  assert.equal(await failure(collect(stub.negate(broken())), Error), mine);
});

test("bidi: both directions at once, the server may speak first", async (t) => {
  const { stub, service } = await numbers(t);
  const channel = stub.negate();
  assert.ok(channel instanceof BidiChannel);
  for (const value of upTo(100)) {
    await channel.send(num(value));
    assert.equal((await channel.recv())?.value, 0 - value);
  }
  await channel.closeSend();
  await channel.closeSend();
  assert.equal(await channel.recv(), undefined);
  assert.equal(await channel.recv(), undefined);
  await failure(channel.send(num(1)), StreamClosedError);
  await channel.close();

  const greeted = stub.greets();
  assert.equal((await greeted.recv())?.value, 42);
  const sends = upTo(1000).map((value) => greeted.send(num(value)));
  await greeted.closeSend();
  await Promise.all(sends);
  assert.deepEqual(await collect(greeted), [1000]);
  assert.deepEqual(service.seen, upTo(1000));

  assert.deepEqual(await collect(stub.negate(upTo(2000).map(num))), upTo(2000).map((value) => 0 - value));
  assert.deepEqual(await collect(stub.negate([])), []);
  const failed = await failure(stub.negate(null as never).recv(), TypeError);
  assert.match(failed.message, /iterable/);
});

test("a channel whose server ends early", async (t) => {
  const { stub } = await numbers(t);
  const channel = stub.short();
  await channel.send(num(5));
  assert.deepEqual(await collect(channel), [5]);
  await failure(channel.send(num(6)), StreamClosedError);
  await channel.waitForTrailer();
  assert.deepEqual(await collect(stub.short(upTo(500).map(num))), [0]);
});

test("an item that does not fit leaves the channel usable", async (t) => {
  const { stub } = await numbers(t);
  const channel = stub.negate();
  const error = await failure(channel.send({ value: "x" } as never), ContractViolationError);
  assert.equal(error.details["location"], "Num.value");
  await channel.send(num(2));
  assert.equal((await channel.recv())?.value, -2);
  await channel.close();
});

test("errors come behind the items, once", async (t) => {
  const { stub, service } = await numbers(t);
  const call = stub.breaks(num(3));
  for (const value of upTo(3)) assert.equal((await call.next()).value?.value, value);
  const error = await failure(call.next(), NotFoundError);
  assert.deepEqual([error.message, { ...error.details }], ["no more", { at: "3" }]);
  assert.equal((await call.next()).done, true);

  const channel = stub.negate();
  await channel.send(num(UNLUCKY));
  await failure(channel.recv(), NotFoundError);
  await failure(channel.send(num(1)), StreamClosedError);
  await failure((async () => { const next = stub.negate(); await next.send(num(UNLUCKY)); await next.close(); })(), NotFoundError);

  const misfit = stub.misfit(num(0));
  assert.equal((await misfit.next()).value?.value, 1);
  const refused = await failure(misfit.next(), InternalError);
  assert.match(refused.message, /^cannot encode response: contract violation at Num.value/);
  await service.returned.fired;
  const wrong = stub.count({ value: "x" } as never);
  await failure(wrong.next(), ContractViolationError);
  await failure(stub.count(num(1), { prefetch: 0 }).next(), RangeError);
  await failure(stub.count(num(1), { prefetch: 1025 }).next(), RangeError);
});

test("leaving the loop cancels the call and stops the handler", async (t) => {
  const { stub, service } = await numbers(t);
  const call = stub.forever(num(0));
  for await (const { value } of call) if (value === 40) break;
  await service.stopped.fired;
  await service.returned.fired;
  assert.ok(service.context?.signal.reason instanceof CancelledError);
  assert.equal((await call.next()).done, true);

  service.returned = new Signal();
  service.stopped = new Signal();
  const channel = stub.negate();
  await channel.send(num(1));
  for await (const _ of channel) break;
  await service.stopped.fired;
  await service.returned.fired;
  assert.equal(await channel.recv(), undefined);
  await failure(channel.send(num(1)), StreamClosedError);
});

test("disposing cancels an open call", async (t) => {
  const { stub, service } = await numbers(t);
  {
    await using call = stub.hangs(num(0));
    assert.equal((await call.next()).value?.value, 0);
  }
  await service.returned.fired;
  service.stopped = new Signal();
  {
    await using channel = stub.negate();
    await channel.send(num(1));
    assert.equal((await channel.recv())?.value, -1);
  }
  await service.stopped.fired;
  const call = stub.hangs(num(0));
  await call.next();
  const pending = failure(call.next(), CancelledError);
  call.cancel();
  await pending;
  assert.equal((await call.next()).done, true);
});

test("an AbortSignal cancels streams before, during and after", async (t) => {
  const { stub, service } = await numbers(t);
  const reason = new Error("enough");
  const before = AbortSignal.abort(reason);
  for (const call of [
    () => stub.count(num(1), { signal: before }).next(),
    () => stub.total([], { signal: before }),
    () => stub.negate({ signal: before }).recv(),
    () => stub.negate([num(1)], { signal: before }).next(),
  ]) {
    assert.equal((await failure(call(), CancelledError)).cause, reason);
  }
  assert.equal(service.context, undefined);

  const controller = new AbortController();
  const { signal } = controller;
  const stream = stub.hangs(num(0), { signal });
  await stream.next();
  const reading = failure(stream.next(), CancelledError);
  const single = failure(stub.stalls([num(1)], { signal }), CancelledError);
  const channel = stub.negate({ signal });
  await channel.send(num(1));
  assert.equal((await channel.recv())?.value, -1);
  const unread = stub.forever(num(0), { signal });
  await service.started.fired;
  controller.abort(reason);
  assert.equal((await reading).cause, reason);
  assert.equal((await single).cause, reason);
  assert.equal((await failure(channel.recv(), CancelledError)).cause, reason);
  assert.equal((await failure(unread.next(), CancelledError)).cause, reason);
  await failure(channel.send(num(1)), StreamClosedError);
  await service.stopped.fired;

  const late = new AbortController();
  assert.deepEqual(await collect(stub.count(num(2), { signal: late.signal })), [0, 1]);
  late.abort();
  assert.equal((await stub.double(num(1))).value, 2);
});

test("a deadline ends streams on both sides", async (t) => {
  const { stub, service } = await numbers(t);
  const began = performance.now();
  await failure(collect(stub.hangs(num(0), { timeout: 80 })), DeadlineExceededError);
  await service.stopped.fired;
  await failure(collect(stub.forever(num(0), { timeout: 80 })), DeadlineExceededError);
  await failure(stub.stalls([num(1)], { timeout: 80 }), DeadlineExceededError);
  const channel = stub.negate({ timeout: 80 });
  await failure(channel.recv(), DeadlineExceededError);
  await failure(stub.count(num(1), { timeout: 0 }).next(), DeadlineExceededError);
  assert.ok(performance.now() - began < 5000);
});

/** Waits until a number does not change any more while calls of the same connection go on, and returns it. */
async function settled(stub: { double(request: Num): Promise<Num> }, current: () => number): Promise<number> {
  for (let [before, quiet] = [-1, 0]; ; before = current()) {
    quiet = current() === before ? quiet + 1 : 0;
    if (quiet === 3) return before;
    for (let at = 0; at < 50; at++) await stub.double(num(at));
  }
}

test("a slow reader stops a fast writer, both ways", async (t) => {
  const { stub, service } = await numbers(t);
  const size = 256 * 1024;
  const call = stub.large(num(size));
  assert.equal((await call.next()).value?.data.length, size);
  const sent = await settled(stub, () => service.sent);
  // The windows of reader, writer and connection, of the endless rest nothing.
  assert.ok(sent * size < 24 * 1024 * 1024, String(sent));
  for (let at = 0; at <= sent; at++) assert.equal((await call.next()).value?.data.length, size);
  assert.ok((await settled(stub, () => service.sent)) > sent);
  call.cancel();
  await service.stopped.fired;

  let pulled = 0;
  const blob = new Blob({ data: randomBytes(size) });
  async function* endless(): AsyncGenerator<Blob> {
    for (; ; pulled++) yield blob;
  }
  service.started = new Signal();
  const controller = new AbortController();
  const stalled = failure(stub.hoards(endless(), { signal: controller.signal }), CancelledError);
  await service.started.fired;
  assert.ok((await settled(stub, () => pulled)) * size < 24 * 1024 * 1024, String(pulled));
  controller.abort();
  await stalled;
});

test("prefetch is how much is read ahead", async (t) => {
  const { stub, service } = await numbers(t);
  const sent: number[] = [];
  for (const prefetch of [1, 64]) {
    const call = stub.large(num(256 * 1024), { prefetch });
    await call.next();
    sent.push(await settled(stub, () => service.sent));
    call.cancel();
  }
  assert.ok((sent[1] as number) > (sent[0] as number), String(sent));
});

test("sends that nobody waits for are bounded", async (t) => {
  const { stub } = await numbers(t);
  const channel = stub.negate();
  const sends = await Promise.allSettled(upTo(5000).map((value) => channel.send(num(value))));
  const refused = sends.filter((one) => one.status === "rejected");
  assert.ok(refused.length > 0 && refused.length < 5000);
  for (const one of refused) assert.equal((one.reason as Error).name, "LimitExceededError");
  channel.cancel();
});

test("a server that closes, and a client that closes, end streams", async (t) => {
  const { stub, service, server } = await numbers(t);
  const call = stub.hangs(num(0));
  await call.next();
  const pending = failure(call.next(), UnavailableError);
  await server.close();
  await pending;
  await service.returned.fired;

  const second = await numbers(t);
  const channel = second.stub.negate();
  await channel.send(num(1));
  await channel.recv();
  const reading = failure(channel.recv(), RpcError);
  await second.client.close();
  await reading;
  await second.service.returned.fired;
  await failure(second.stub.count(num(1)).next(), InvalidStateError);
});

test("a closed stub refuses calls, its connection stays", async (t) => {
  const { client, stub } = await numbers(t);
  await stub.close();
  await failure(stub.double(num(1)), InvalidStateError);
  await failure(stub.count(num(1)).next(), InvalidStateError);
  await failure(stub.total([]), InvalidStateError);
  await failure(stub.negate().recv(), InvalidStateError);
  assert.equal((await (await client.client(Numbers)).double(num(1))).value, 2);
});

test("streams without decorators, and contracts without an implementation", async (t) => {
  const methods = {
    count: ServerStream({ params: { to: f.int() }, response: f.int() }),
    total: ClientStream({ request: f.int(), response: f.int(), name: "sum", idempotent: true }),
    echo: BidiStream({ request: f.string(), response: f.string() }),
  };
  const Plain = Service({ name: "Plain", public: true, methods })(
    class {
      async *count(request: { to: number }): AsyncGenerator<number> {
        yield* upTo(request.to);
      }
      async total(items: AsyncIterable<number>): Promise<number> {
        let sum = 0;
        for await (const item of items) sum += item;
        return sum;
      }
      async *echo(items: AsyncIterable<string>): AsyncGenerator<string> {
        yield* items;
      }
    },
  );
  const { client } = await pair(t, [Plain]);
  const stub = await client.client(defineService({ name: "Plain", methods }));
  const counted: number[] = [];
  for await (const value of stub.count({ to: 3 })) counted.push(value);
  assert.deepEqual(counted, [0, 1, 2]);
  assert.equal(await stub.total([1, 2]), 3);
  const channel = stub.echo();
  await channel.send("a");
  assert.equal(await channel.recv(), "a");
  await channel.close();
  assert.throws(() => BidiStream({ request: Num, response: Num, params: {} } as never), TypeError);
  assert.throws(() => ClientStream({ params: { a: f.int() }, response: Num } as never), TypeError);
  const generator = Object.getPrototypeOf(async function* () {}).constructor as () => never;
  assert.throws(() => (Rpc(nums) as (m: unknown, c: unknown) => void)(generator(), { name: "x" }), /declare it with ServerStream/);
});
