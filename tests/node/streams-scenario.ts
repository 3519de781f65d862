/** Streams and sessions of `tests/interop` in TypeScript: `serve`, or `call ADDRESS` prints what came as JSON. */
import { AsterClient, AsterServer, BidiStream, ClientStream, NotFoundError, Rpc, RpcError, ServerStream, Service, type Stub, f, wireType } from "@aster/rpc";

class Num extends wireType("interop/Num", { value: f.int() }) {}
const nums = { request: Num, response: Num };
const num = (value = 0): Num => new Num({ value });

const seen = { stopped: 0, closed: 0 };

@Service({ name: "Lab", public: true })
class Lab {
  @Rpc(nums)
  stopped(_: Num): Num {
    return num(seen.stopped);
  }

  @Rpc(nums)
  closed(_: Num): Num {
    return num(seen.closed);
  }

  @ServerStream(nums)
  async *count(request: Num): AsyncGenerator<Num> {
    for (let at = 0; at < request.value; at++) yield num(at);
  }

  @ServerStream(nums)
  async *breaks(request: Num): AsyncGenerator<Num> {
    for (let at = 0; at < request.value; at++) yield num(at);
    throw new NotFoundError("no more", { at: String(request.value) });
  }

  @ServerStream(nums)
  async *forever(_: Num): AsyncGenerator<Num> {
    try {
      for (let at = 0; ; at++) yield num(at);
    } finally {
      seen.stopped++;
    }
  }

  @ClientStream(nums)
  async total(requests: AsyncIterable<Num>): Promise<Num> {
    let sum = 0;
    for await (const { value } of requests) sum += value;
    return num(sum);
  }

  @ClientStream(nums)
  async first(requests: AsyncIterable<Num>): Promise<Num> {
    for await (const one of requests) return one;
    return num(-1);
  }

  @BidiStream(nums)
  async *negate(requests: AsyncIterable<Num>): AsyncGenerator<Num> {
    yield num(42);
    for await (const { value } of requests) yield num(0 - value);
  }

  @BidiStream(nums)
  async *silent(requests: AsyncIterable<Num>): AsyncGenerator<Num> {
    try {
      for await (const one of requests) if (one.value < 0) yield one;
    } finally {
      seen.stopped++;
    }
  }
}

@Service({ name: "Counter", scoped: "session", public: true })
class Counter {
  #total = 0;

  @Rpc(nums)
  add(request: Num): Num {
    return num((this.#total += request.value));
  }

  @Rpc(nums)
  fail(_: Num): Num {
    throw new NotFoundError("nothing here");
  }

  @ServerStream(nums)
  async *count(request: Num): AsyncGenerator<Num> {
    for (let at = 0; at < request.value; at++) yield num(this.#total + at);
  }

  @ClientStream(nums)
  async load(requests: AsyncIterable<Num>): Promise<Num> {
    for await (const { value } of requests) this.#total += value;
    return num(this.#total);
  }

  @BidiStream(nums)
  async *running(requests: AsyncIterable<Num>): AsyncGenerator<Num> {
    for await (const { value } of requests) yield num((this.#total += value));
  }

  onSessionClose(): void {
    seen.closed++;
  }
}

async function values(items: AsyncIterable<Num>): Promise<number[]> {
  const out: number[] = [];
  for await (const { value } of items) out.push(value);
  return out;
}

const sum = (of: number[]): number => of.reduce((total, value) => total + value, 0);
const numbers = (count: number): Num[] => Array.from({ length: count }, (_, at) => num(at));

async function failed(promise: Promise<unknown>): Promise<RpcError> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof RpcError) return error;
    throw error;
  }
  throw new Error("the call did not fail");
}

async function shared(lab: Stub<Lab>): Promise<object> {
  const count: number[] = [];
  for (const items of [0, 3, 2000]) count.push(sum(await values(lab.count(num(items)))));
  const total = [(await lab.total([])).value, (await lab.total(numbers(1000))).value];
  const first = (await lab.first(numbers(1000))).value;
  const channel = lab.negate();
  const talk = [(await channel.recv())?.value as number];
  for (let at = 0; at < 50; at++) {
    await channel.send(num(at));
    talk.push((await channel.recv())?.value as number);
  }
  await channel.close();
  const negate = [sum(talk), sum(await values(lab.negate(numbers(1000))))];
  const before: number[] = [];
  const broken = await failed(
    (async () => {
      for await (const { value } of lab.breaks(num(3))) before.push(value);
    })(),
  );
  const breaks = [before, broken.code, broken.message, broken.details];
  const silent = lab.silent({ timeout: 100 });
  await silent.send(num(1));
  const deadline = (await failed(silent.recv())).codeName;
  for await (const { value } of lab.forever(num())) if (value === 40) break;
  while ((await lab.stopped(num())).value < 2);
  return { breaks, count, deadline, first, negate, total };
}

async function sessions(client: AsterClient, lab: Stub<Lab>): Promise<object> {
  const [one, two] = [await client.client(Counter), await client.client(Counter)];
  const add = [(await one.add(num(1))).value, (await one.add(num(2))).value];
  const other = (await two.add(num(5))).value;
  const count = await values(one.count(num(4)));
  const load = [(await one.load(numbers(100))).value, (await one.load([])).value];
  const channel = one.running();
  await channel.send(num(7));
  const running = (await channel.recv())?.value;
  await channel.close();
  const error = await failed(one.fail(num()));
  for await (const _ of one.count(num(100_000))) break;
  const after = (await one.add(num(1))).value;
  await one.close();
  await two.close();
  const closed = (await lab.closed(num())).value;
  return { add, after, closed, count, fail: [error.codeName, error.message], load, other, running };
}

if (process.argv[2] === "serve") {
  const server = await AsterServer.start({ services: [new Lab(), Counter] });
  server.installSignalHandlers({ graceMs: 0 });
  console.log(`address ${server.address}`);
  await server.serve();
} else {
  await using client = await AsterClient.connect({ address: process.argv[3] });
  const lab = await client.client(Lab);
  console.log(JSON.stringify({ sessions: await sessions(client, lab), shared: await shared(lab) }));
}
