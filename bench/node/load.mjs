// The loop of a Node load process: slices of work on command, with their latencies (bench/README.md).
import { createInterface } from "node:readline";

export const TEXT = "0123456789abcdef";

export function say(values) {
  process.stdout.write(`${JSON.stringify(values)}\n`);
}

/** Resolves when stdin ends. */
export function untilStdinCloses() {
  return new Promise((resolve) => process.stdin.on("end", resolve).resume());
}

/** Throws if an answer is not what was asked for. */
export function expect(right) {
  if (!right) throw new Error("wrong answer");
}

/** `count` messages of one kind. */
export function* times(count, make) {
  for (let at = 0; at < count; at++) yield make();
}

/** Serves `WORKLOAD SECONDS` lines from stdin. What a client has no method for is unsupported. */
export async function run(client) {
  say({ ready: true });
  const held = [];
  for await (const line of createInterface({ input: process.stdin })) {
    const [workload, seconds] = line.split(" ");
    say((await work(client, workload, Number(seconds) * 1000, held)) ?? { unsupported: true });
  }
  for (const one of held) await one.close();
}

const STREAMS = { "server-stream": "serverStream", "client-stream": "clientStream", bidi: "bidi" };

async function work(client, workload, slice, held) {
  const [, kind, , last] = /^(.*?)(-(\d+))?$/.exec(workload);
  const size = Number(last ?? 1);
  if (kind === "unary") return await repeated(() => client.unary(), slice, { width: size });
  if (kind === "echo") {
    const data = noise(size);
    return await repeated(() => client.echo(data), slice);
  }
  if (kind === "connect") return await connects(client, slice);
  if (kind === "clients") {
    for (let at = 0; at < size; at++) {
      held.push(await client.another());
      await held.at(-1).unary();
    }
    return { held: size };
  }
  const stream = client[STREAMS[kind]];
  if (stream) return await repeated(() => stream.call(client, size), slice, { units: size });
  if (kind === "pingpong" && client.channel) {
    const { exchange, finish } = await client.channel();
    const answer = await repeated(exchange, slice);
    await finish();
    return answer;
  }
  if (!client.session) return undefined;
  if (kind === "session") {
    const session = await client.session();
    const answer = await repeated(() => session.unary(), slice);
    await session.close();
    return answer;
  }
  if (kind === "sessions") {
    for (let at = 0; at < size; at++) {
      held.push(await client.session());
      await held.at(-1).unary();
    }
    return { held: size };
  }
  return undefined;
}

/** Bytes that do not compress. */
function noise(size) {
  let state = 0x9e3779b9;
  return Uint8Array.from({ length: size }, () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state;
  });
}

async function repeated(call, slice, { width = 1, units = 1 } = {}) {
  const latencies = [];
  const begin = performance.now();
  const end = begin + slice;
  const worker = async () => {
    for (let start = begin; (start = performance.now()) < end; ) {
      await call();
      latencies.push(performance.now() - start);
    }
  };
  await Promise.all(Array.from({ length: width }, worker));
  return summary(latencies, units, performance.now() - begin);
}

/** New clients, each for one call; closing them is not part of the latency. */
async function connects(client, slice) {
  const latencies = [];
  const begin = performance.now();
  for (let start = begin; (start = performance.now()) < begin + slice; ) {
    const one = await client.another();
    await one.unary();
    latencies.push(performance.now() - start);
    await one.close();
  }
  return summary(latencies, 1, performance.now() - begin);
}

function summary(latencies, units, took) {
  latencies.sort((a, b) => a - b);
  const at = (share) => latencies[Math.floor((latencies.length - 1) * share)] * 1000;
  return { units: latencies.length * units, seconds: took / 1000, p50_us: at(0.5), p99_us: at(0.99) };
}
