// Encodes and decodes the messages of bench/codec/messages.json, against JSON of the same objects, in one process.
// Usage: node bench/node/codec.mjs [--rounds N] [--json]   after: make PROFILE=release node
import { readFileSync } from "node:fs";
import { f, wireType, defineService, Rpc } from "../../ts/dist/index.js";
import { engine } from "../../ts/dist/engine.js";
import { planOf } from "../../ts/dist/plans.js";
import { requireService } from "../../ts/dist/services.js";

const HELPERS = { string: f.string, bool: f.bool, int: f.int, varint32: f.int32, float: f.float };
/** Milliseconds of one slice: short, so that most slices are left alone on a busy machine. */
const SLICE = 0.4;

function option(name, fallback) {
  const at = process.argv.indexOf(name);
  return at < 0 ? fallback : Number(process.argv[at + 1]);
}

/** Declares the types of a message. */
function declare(types) {
  const classes = new Map();
  const field = (text) => {
    if (text.endsWith("?")) return f.optional(field(text.slice(0, -1)));
    if (text.startsWith("list<")) return f.list(field(text.slice(5, -1)));
    return HELPERS[text]?.() ?? f.ref(classOf(text));
  };
  const classOf = (tag) => {
    if (!classes.has(tag)) {
      const table = Object.fromEntries(types[tag].fields.map(({ name, type }) => [name, field(type)]));
      classes.set(tag, { table, type: class extends wireType(tag, table) {} });
    }
    return classes.get(tag).type;
  };
  return { classOf, make: (tag, value) => instance(types, classOf, tag, value) };
}

/** Makes instances of a value. */
function instance(types, classOf, tag, value) {
  const fields = types[tag].fields.map(({ name, type }) => {
    const element = /^list<(.*)>$/.exec(type)?.[1];
    const of = value[name];
    return [name, element && types[element] ? of.map((one) => instance(types, classOf, element, one)) : of];
  });
  return new (classOf(tag))(Object.fromEntries(fields));
}

/** Measures functions in turn; returns the median microseconds of each. */
function measure(functions, rounds) {
  const counts = functions.map((run) => {
    time(run, 300);
    let count = 1;
    // The best of several: one that was interrupted would make slices too short.
    while (Math.min(...Array.from({ length: 9 }, () => time(run, count))) < SLICE) count *= 2;
    return count;
  });
  const samples = functions.map(() => []);
  for (let round = 0; round < rounds; round++) {
    functions.forEach((run, at) => samples[at].push((time(run, counts[at]) * 1000) / counts[at]));
  }
  return samples.map((times) => times.sort((a, b) => a - b)[Math.floor(times.length / 2)]);
}

function time(run, count) {
  const began = performance.now();
  for (let at = 0; at < count; at++) run();
  return performance.now() - began;
}

const messages = JSON.parse(readFileSync(new URL("../codec/messages.json", import.meta.url), "utf8"));
const rounds = option("--rounds", 1001);
const rows = [];
for (const [message, { root, types, value }] of Object.entries(messages)) {
  const { classOf, make } = declare(types);
  const type = classOf(root);
  const service = defineService({ name: "Bench", methods: { call: Rpc({ request: type, response: type }) } });
  const { codec } = planOf(engine().native, requireService(service));
  const host = make(root, value);
  const [bytes, text] = [codec.encode(root, false, host), JSON.stringify(host)];
  if (bytes instanceof Error) throw bytes;
  if (JSON.stringify(codec.decode(root, false, bytes)) !== text) throw new Error(`${message} changes on its way`);
  const [encode, stringify, decode, parse] = measure(
    [
      () => codec.encode(root, false, host),
      () => JSON.stringify(host),
      () => codec.decode(root, false, bytes),
      () => JSON.parse(text),
    ],
    rounds,
  );
  const row = (op, aster, baseline) => rows.push({ message, op, aster_us: aster, baseline_us: baseline, ratio: aster / baseline });
  row("encode", encode, stringify);
  row("decode", decode, parse);
}

if (!process.argv.includes("--json")) {
  console.log("| message | op | aster µs | JSON µs | ratio |\n|---|---|---|---|---|");
  for (const { message, op, aster_us, baseline_us, ratio } of rows) {
    console.log(`| ${message} | ${op} | ${aster_us.toFixed(2)} | ${baseline_us.toFixed(2)} | ${ratio.toFixed(2)}x |`);
  }
}
for (const row of rows) console.log(JSON.stringify(row));
