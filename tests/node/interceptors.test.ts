/** Interceptors on both sides and all patterns (`wire.md` section 17, `node-api.md` section 8). */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  AsterClient,
  type AuditEntry,
  AuditLogInterceptor,
  AuthInterceptor,
  BidiStream,
  type CallContext,
  CancelledError,
  CapabilityInterceptor,
  CircuitBreakerInterceptor,
  ClientStream,
  CompressionInterceptor,
  DeadlineExceededError,
  DeadlineInterceptor,
  type Interceptor,
  InvalidArgumentError,
  MetricsInterceptor,
  NotFoundError,
  PermissionDeniedError,
  RateLimitInterceptor,
  ResourceExhaustedError,
  RetryInterceptor,
  Rpc,
  RpcError,
  type ServerOptions,
  ServerStream,
  Service,
  UnauthenticatedError,
  UnavailableError,
  UnknownRpcError,
  f,
  wireType,
} from "@aster/rpc";
import { failure, local, pair } from "./support.js";

class Num extends wireType("icpt/Num", { value: f.int() }) {}
const nums = { request: Num, response: Num, idempotent: true };
const bidi = { request: Num, response: Num };
const num = (value: number): Num => new Num({ value });
const WRONG = -1;

@Service({ name: "Calc", public: true })
class Calc {
  runs = 0;
  failures = 0;
  ids: string[] = [];
  metadata: Record<string, string> = {};

  @Rpc(nums)
  double({ value }: Num, context: CallContext): Num {
    this.runs++;
    this.ids.push(context.callId);
    this.metadata = { ...context.metadata };
    if (this.failures-- > 0) throw new UnavailableError("not yet");
    if (value === WRONG) throw new NotFoundError("wrong");
    return num(value * 2);
  }

  @Rpc(bidi)
  once(request: Num): Num {
    return this.double(request, { callId: "", metadata: {} } as CallContext);
  }

  @Rpc(nums)
  breaks(): Num {
    throw new Error("secret");
  }

  @ServerStream(nums)
  async *count({ value }: Num): AsyncGenerator<Num> {
    this.runs++;
    if (this.failures-- > 0) throw new UnavailableError("not yet");
    for (let at = 0; at < Math.abs(value); at++) yield num(at);
    if (value < 0) throw new NotFoundError("wrong");
  }

  @ClientStream(nums)
  async total(requests: AsyncIterable<Num>): Promise<Num> {
    this.runs++;
    let sum = 0;
    for await (const { value } of requests) sum += value;
    return num(sum);
  }

  @BidiStream(bidi)
  async *negate(requests: AsyncIterable<Num>): AsyncGenerator<Num> {
    this.runs++;
    for await (const { value } of requests) yield num(0 - value);
  }
}

/** Writes down which hooks ran, and changes what passes. */
class Trace implements Interceptor {
  constructor(
    readonly name: string,
    readonly log: string[],
  ) {}
  onStart({ method, pattern }: CallContext): void {
    this.log.push(`${this.name} start ${method} ${pattern}`);
  }
  async onRequest(_: CallContext, request: unknown): Promise<unknown> {
    await Promise.resolve();
    this.log.push(`${this.name} request`);
    return num((request as Num).value + 1);
  }
  onResponse(_: CallContext, response: unknown): unknown {
    this.log.push(`${this.name} response`);
    return num((response as Num).value * 10);
  }
  onError(_: CallContext, error: RpcError): RpcError {
    this.log.push(`${this.name} error ${error.codeName}`);
    return error;
  }
}

type Side = { interceptors?: readonly Interceptor[] };

async function calc(t: Parameters<typeof pair>[0], server: Side & Partial<ServerOptions> = {}, clientSide: Side = {}) {
  const service = new Calc();
  const { server: started } = await pair(t, [service], server);
  const client = await AsterClient.connect({ address: started.address, config: local(), ...clientSide });
  t.after(() => client.close());
  return { service, client, stub: await client.client(Calc) };
}

async function values(items: AsyncIterable<Num>): Promise<number[]> {
  const out: number[] = [];
  for await (const { value } of items) out.push(value);
  return out;
}

for (const side of ["server", "client"] as const) {
  test(`hooks of a ${side} run in order, as often as there are items`, async (t) => {
    const log: string[] = [];
    const sides: Record<string, Side> = { [side]: { interceptors: [new Trace("a", log), new Trace("b", log)] } };
    const { stub } = await calc(t, sides["server"], sides["client"]);
    const ran = (): string[] => log.splice(0);

    assert.equal((await stub.double(num(1))).value, 600);
    const once = ["a request", "b request", "a response", "b response"];
    assert.deepEqual(ran(), ["a start double unary", "b start double unary", ...once]);

    assert.deepEqual(await values(stub.count(num(0))), [0, 100]);
    assert.deepEqual(ran(), ["a start count server_stream", "b start count server_stream", ...once, "a response", "b response"]);

    assert.equal((await stub.total([num(1), num(2)])).value, 700);
    assert.deepEqual(ran().filter((line) => line.endsWith("request")).length, 4);

    const channel = stub.negate();
    await channel.send(num(1));
    assert.equal((await channel.recv())?.value, -300);
    await channel.close();
    assert.deepEqual(ran(), ["a start negate bidi_stream", "b start negate bidi_stream", ...once]);
    assert.deepEqual(await values(stub.negate([num(1), num(2)])), [-300, -400]);
    ran();

    await failure(stub.double(num(WRONG - 2)), NotFoundError);
    assert.deepEqual(ran().slice(-2), ["b error NOT_FOUND", "a error NOT_FOUND"]);
    await failure(values(stub.count(num(-4))), NotFoundError);
    assert.deepEqual(ran().slice(-2), ["b error NOT_FOUND", "a error NOT_FOUND"]);
  });

  test(`a hook of a ${side} refuses calls, and swallows errors of streams`, async (t) => {
    const seen: string[] = [];
    const first: Interceptor = { onError: (_, error) => (seen.push(error.codeName), error) };
    const guard: Interceptor = {
      onRequest(_, request) {
        if ((request as Num).value === 7) throw new InvalidArgumentError("no seven");
        return request;
      },
      onError: (_, error) => (error.code === 5 ? null : error),
    };
    const last: Interceptor = { onRequest: (_, request) => request, onError: () => assert.fail("was not reached") };
    const interceptors = [first, guard];
    const { stub } = await calc(t, side === "server" ? { interceptors } : {}, side === "client" ? { interceptors } : {});
    for (const call of [
      () => stub.double(num(7)),
      () => values(stub.count(num(7))),
      () => stub.total([num(1), num(7)]),
      () => values(stub.negate([num(1), num(7)])),
    ]) {
      assert.equal((await failure(call(), InvalidArgumentError)).message, "no seven");
    }
    assert.deepEqual(seen.splice(0), Array(4).fill("INVALID_ARGUMENT"));
    // A stream can end without a response, a unary call cannot.
    assert.deepEqual(await values(stub.count(num(-2))), [0, 1]);
    await failure(stub.double(num(WRONG)), NotFoundError);
    const unreached = await calc(t, { interceptors: [guard, last] });
    await failure(unreached.stub.double(num(7)), InvalidArgumentError);
    assert.equal(unreached.service.runs, 0);
  });
}

test("no handler starts unexamined", async (t) => {
  const items: unknown[] = [];
  const late: Interceptor = {
    onRequest(_, request) {
      items.push(request);
      if (request === undefined) throw new UnauthenticatedError("nothing to examine");
      return request;
    },
  };
  const { stub, service } = await calc(t, { interceptors: [late] });
  await failure(stub.total([]), UnauthenticatedError);
  assert.equal(service.runs, 0);
  assert.deepEqual(items, [undefined]);
  assert.equal((await stub.total([num(3), num(4)])).value, 7);
  assert.equal(service.runs, 1);
});

test("errors that are none of ours, and hooks that return nothing", async (t) => {
  const codes: number[] = [];
  const watch: Interceptor = { onError: (_, error) => (codes.push(error.code), error) };
  const { stub } = await calc(t, { interceptors: [watch], exposeErrors: false });
  const hidden = await failure(stub.breaks(num(1)), UnknownRpcError);
  assert.equal(hidden.message, `internal error; call id ${hidden.callId}`);
  assert.deepEqual(codes, [2]);
  const silent = { onRequest: () => {} } as Interceptor;
  const broken = await calc(t, {}, { interceptors: [silent] });
  await assert.rejects(broken.stub.double(num(1)), { name: "TypeError", message: /onRequest returned nothing/ });
  await assert.rejects(AsterClient.connect({ interceptors: [1 as never], address: "x" }), TypeError);
});

test("retry: idempotent calls, one id, within the deadline", async (t) => {
  const log: string[] = [];
  const retry = new RetryInterceptor({ policy: { maxAttempts: 3, backoff: { initialMs: 1 } } });
  const { stub, service } = await calc(t, {}, { interceptors: [new Trace("a", log), retry] });
  service.failures = 2;
  assert.equal((await stub.double(num(1))).value, 40);
  assert.equal(service.runs, 3);
  assert.equal(new Set(service.ids).size, 1);
  assert.deepEqual(log, ["a start double unary", "a request", "a response"]);
  service.failures = 2;
  assert.deepEqual(await values(stub.count(num(1))), [0, 10]);
  assert.equal(service.runs, 6);
  service.failures = 3;
  await failure(stub.double(num(1)), UnavailableError);
  assert.equal(service.runs, 9);
  service.failures = 1;
  await failure(stub.once(num(1)), UnavailableError);
  await failure(stub.double(num(WRONG - 1)), NotFoundError);
  const slow = new RetryInterceptor({ policy: { backoff: { initialMs: 60_000, maxMs: 60_000 } } });
  const patient = await calc(t, {}, { interceptors: [slow] });
  patient.service.failures = 1;
  await failure(patient.stub.double(num(1), { timeout: 1000 }), UnavailableError);
  patient.service.failures = 1;
  const controller = new AbortController();
  const waiting = failure(patient.stub.double(num(1), { signal: controller.signal }), CancelledError);
  while (patient.service.runs < 2) await patient.stub.total([]);
  controller.abort();
  await waiting;
});

test("tokens are added and checked", async (t) => {
  const validator = async (token: string, context: CallContext): Promise<boolean> => token === "abc" && context.peer !== null;
  const interceptors = [new AuthInterceptor({ validator })];
  const { stub } = await calc(t, { interceptors });
  for (const call of [() => stub.double(num(1)), () => stub.total([num(1)]), () => values(stub.negate([])), () => values(stub.count(num(1)))]) {
    await failure(call(), UnauthenticatedError);
  }
  assert.equal((await stub.double(num(1), { metadata: { authorization: "bearer abc" } })).value, 2);
  const good = await calc(t, { interceptors }, { interceptors: [new AuthInterceptor({ tokenProvider: async () => "abc" })] });
  assert.equal((await good.stub.double(num(1))).value, 2);
  assert.equal((await good.stub.total([num(1)])).value, 1);
  assert.equal(good.service.metadata["authorization"], "Bearer abc");
});

test("limits, breakers, counters and logs", async (t) => {
  const entries: AuditEntry[] = [];
  const metrics = new MetricsInterceptor();
  const { stub } = await calc(t, { interceptors: [new AuditLogInterceptor({ sink: entries }), metrics] });
  await stub.double(num(1));
  await values(stub.count(num(2)));
  await failure(stub.double(num(WRONG)), NotFoundError);
  for await (const _ of stub.negate([num(1)])) break;
  await stub.double(num(1));
  while (metrics.snapshot().inFlight > 0) await new Promise((resolve) => setImmediate(resolve));
  const { started, succeeded, failed } = metrics.snapshot();
  assert.deepEqual([started, succeeded + failed], [5, 5]);
  assert.deepEqual(entries.filter((one) => one.event === "error" && one.code === "NOT_FOUND").length, 1);
  assert.equal(entries.filter((one) => one.event === "request").length, 5);

  const limited = await calc(t, {}, { interceptors: [new RateLimitInterceptor({ rate: 0.01, burst: 2 })] });
  await limited.stub.double(num(1));
  await values(limited.stub.count(num(1)));
  const refused = await failure(limited.stub.total([]), ResourceExhaustedError);
  assert.ok(Number(refused.details["retry_after_ms"]) > 90_000);

  const breaker = new CircuitBreakerInterceptor({ failureThreshold: 2, recoveryTimeoutMs: 40 });
  const guarded = await calc(t, {}, { interceptors: [breaker] });
  guarded.service.failures = 2;
  for (let at = 0; at < 2; at++) await failure(guarded.stub.double(num(1)), UnavailableError);
  assert.equal(breaker.state, "open");
  assert.equal((await failure(guarded.stub.double(num(1)), UnavailableError)).message, "circuit breaker is open");
  assert.equal(guarded.service.runs, 2);
  while (breaker.state === "open") await new Promise((resolve) => setImmediate(resolve));
  assert.equal((await guarded.stub.double(num(1))).value, 2);
  assert.equal(breaker.state, "closed");
});

test("deadlines, capabilities, compression", async (t) => {
  const past = { deadline: new Date(Date.now() - 6000), pattern: "unary" } as CallContext;
  await assert.rejects(async () => new DeadlineInterceptor().onRequest(past, 1), DeadlineExceededError);
  assert.equal(await new DeadlineInterceptor({ skewToleranceMs: 60_000 }).onRequest(past, 1), 1);

  const Guarded = Service({
    name: "Guarded",
    methods: { open: Rpc(bidi), shut: Rpc({ ...bidi, requires: "admin" }) },
  })(class { open(request: Num): Num { return request; } shut(request: Num): Num { return request; } });
  const capability = new CapabilityInterceptor({ services: [Guarded] });
  const asked = (method: string, attributes = {}): CallContext => ({ service: "Guarded", method, attributes, pattern: "unary" }) as CallContext;
  assert.equal(await capability.onRequest(asked("open"), 1), 1);
  await assert.rejects(async () => capability.onRequest(asked("shut"), 1), PermissionDeniedError);
  assert.equal(await capability.onRequest(asked("shut", { "aster.role": "admin" }), 1), 1);

  const interceptors = [new DeadlineInterceptor(), new CompressionInterceptor({ enabled: false }), new CapabilityInterceptor()];
  const { stub, service } = await calc(t, { interceptors }, { interceptors });
  assert.equal((await stub.double(num(1))).value, 2);
  assert.deepEqual(Object.keys(service.metadata).filter((key) => !key.startsWith("_")), []);
  await failure(stub.double(num(1), { timeout: 0 }), DeadlineExceededError);
});

test("interceptors of a service run behind those of the server, with a context that all of them share", async (t) => {
  const log: string[] = [];
  const mark = (name: string): Interceptor => ({ onStart: ({ metadata }) => void log.push(`${name} ${metadata["x"]}`) });
  const Own = Service({ name: "Own", public: true, interceptors: [mark("service")], methods: { echo: Rpc(bidi) } })(
    class {
      echo(request: Num): Num {
        return request;
      }
    },
  );
  const { client } = await pair(t, [Own], { interceptors: [mark("server")] });
  const stub = await client.client(Own, { interceptors: [mark("client")] });
  await stub.echo(num(1), { metadata: { x: "1" } });
  assert.deepEqual(log, ["client 1", "server 1", "service 1"]);
});
