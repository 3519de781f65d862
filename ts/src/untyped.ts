/** Services whose contract is not at hand: bodies are JSON that is made and read here (`registry.md` section 9). */
import { checked } from "./engine.js";
import type { NativeEngine, NativePlan } from "./native.js";
import type { RpcPattern } from "./services.js";
import type { Write } from "./tape.js";
import { writeText } from "./writers.js";

/** A message type for core, which looks at none of these bodies. */
const ANY = "aster/Any";

/** Describes one method of a service whose types nobody knows. */
export function untypedPlan(
  engine: NativeEngine,
  of: { name: string; version: number; pattern: string },
  method: string,
  pattern: RpcPattern,
): NativePlan {
  const description = JSON.stringify({
    service: of.name,
    version: of.version,
    scoped: of.pattern,
    types: { [ANY]: { fields: [] } },
    methods: [{ name: method, pattern, request: ANY, response: ANY }],
  });
  return checked(engine.plan(description, JSON.stringify({ messages: [], raw: true }), parseJson));
}

/** Writes a message as JSON. */
export const writeJson: Write = (value, slot) => writeText(jsonOf(value), slot);

/** Stands before the digits of a whole number that is not exact as a JavaScript number. */
const MARK = "\0int:";

/** Returns the JSON of a value; throws for what JSON cannot hold as it is. */
export function jsonOf(value: unknown): string {
  let wide = false;
  let marked = false;
  const text = JSON.stringify(value, function (this: Record<string, unknown>, key: string, shown: unknown): unknown {
    // Objects of the language, before their `toJSON`.
    const own = this[key];
    if (typeof own === "bigint") {
      wide = true;
      return `${MARK}${own}`;
    }
    const made = typeof own === "object" && own !== null ? builtIn(own) : undefined;
    if (made !== undefined) return made;
    if (typeof shown === "string" && shown.startsWith(MARK)) marked = true;
    check(shown);
    return shown;
  });
  if (!wide) return text;
  if (marked) throw new TypeError("a text looks like a whole number on its way");
  return text.replace(/"\\u0000int:(-?\d+)"/g, "$1");
}

/** Returns what stands for an object of the language. */
function builtIn(value: object): unknown {
  if (ArrayBuffer.isView(value)) return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("base64");
  if (value instanceof Set) return [...(value as Set<unknown>)];
  if (value instanceof Map) return record(value as Map<unknown, unknown>);
  if (!(value instanceof Date)) return undefined;
  if (Number.isNaN(value.getTime())) throw new TypeError("an invalid Date has no JSON form");
  return value.toISOString();
}

/** Refuses what would silently become something else. */
function check(value: unknown): void {
  if (typeof value === "number" && !Number.isFinite(value)) throw new TypeError(`${value} is no JSON number`);
  if (typeof value === "function" || typeof value === "symbol") throw new TypeError(`a ${typeof value} has no JSON form`);
}

function record(map: Map<unknown, unknown>): object {
  const out = Object.create(null) as Record<string, unknown>;
  for (const [key, value] of map) {
    if (!["string", "number", "bigint"].includes(typeof key)) throw new TypeError("keys of a map have no JSON form");
    out[String(key)] = value;
  }
  return out;
}

const TOKENS = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;

/** Reads JSON. Whole numbers that a JavaScript number cannot hold become bigint. */
export function parseJson(text: string): unknown {
  if (!/\d{16}/.test(text)) return JSON.parse(text);
  // First as it is, because only then tokens are where they seem to be.
  const parsed: unknown = JSON.parse(text);
  let mark = MARK;
  while (text.includes(JSON.stringify(mark).slice(1, -1))) mark += ":";
  let wide = false;
  const exact = text.replace(TOKENS, (token) => {
    if (!/^-?\d+$/.test(token) || Number.isSafeInteger(Number(token))) return token;
    wide = true;
    return JSON.stringify(mark + token);
  });
  if (!wide) return parsed;
  return JSON.parse(exact, (_, value: unknown) => {
    return typeof value === "string" && value.startsWith(mark) ? BigInt(value.slice(mark.length)) : value;
  });
}
