/** Plain objects and untyped JSON, without any call: names and numbers that JavaScript has a meaning for. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type RpcError } from "@aster/rpc";
import { root } from "./support.js";

interface Plan {
  codec: { encode(type: string, json: boolean, value: unknown): Uint8Array | Error; decode(type: string, json: boolean, bytes: Uint8Array): unknown };
}
const load = <T>(file: string): Promise<T> => import(`${root}ts/dist/${file}.js`) as Promise<T>;
const { dynamicPlan } = await load<{ dynamicPlan(engine: unknown, manifest: string, int64?: string): Plan }>("dynamic-plan");
const { engine } = await load<{ engine(): { native: unknown } }>("engine");
const { native } = await load<{ native(): { manifestOf(description: string): string } }>("native");
const { jsonOf, parseJson } = await load<{ jsonOf(value: unknown): string; parseJson(text: string): unknown }>("untyped");

function planOf(fields: object[], more: object = {}, int64?: string): Plan["codec"] {
  const methods = [{ name: "m", pattern: "unary", request: "p/M", response: "p/M" }];
  const description = JSON.stringify({ service: "S", version: 1, methods, types: { "p/M": { fields }, ...more } });
  return dynamicPlan(engine().native, native().manifestOf(description), int64).codec;
}

const NAMES = ["__proto__", "constructor", "then", "toString", "0", "a b", "it's \"quoted\" \\ ${1}", "\u2028", "Zoë", "hasOwnProperty"];

test("names of fields are only names", () => {
  for (const names of [NAMES, [...NAMES, ...Array.from({ length: 120 }, (_, at) => `field${at}`)]]) {
    const codec = planOf(names.map((name) => ({ name, type: "p/Inner?" })), { "p/Inner": { fields: [{ name: "polluted", type: "int" }] } });
    const value = Object.fromEntries(names.map((name, at) => [name, { polluted: at }]));
    for (const json of [true, false]) {
      const bytes = codec.encode("p/M", json, value) as Uint8Array;
      const back = codec.decode("p/M", json, bytes) as Record<string, { polluted: number }>;
      assert.deepEqual(Object.entries(back), Object.entries(value));
      assert.equal(({} as { polluted?: number }).polluted, undefined);
      // What is not there is absent, not inherited.
      const empty = codec.decode("p/M", json, codec.encode("p/M", json, {}) as Uint8Array) as object;
      assert.deepEqual(Object.values(empty), names.map(() => null));
    }
    const refused = codec.encode("p/M", false, { valueOf: 1 }) as RpcError;
    assert.equal(refused.details["unexpected_fields"], "'valueOf'");
  }
});

test("a default that only another program can compute is null when it is left out", () => {
  const fields = [{ name: "made", type: "timestamp", factory: true }, { name: "kept", type: "int", default: 7 }];
  const codec = planOf(fields);
  assert.deepEqual(codec.decode("p/M", true, Buffer.from("{}")), { made: null, kept: 7 });
  const at = new Date(5);
  assert.deepEqual(codec.decode("p/M", false, codec.encode("p/M", false, { made: at, kept: 1 }) as Uint8Array), { made: at, kept: 1 });
  assert.equal(Buffer.from(codec.encode("p/M", true, { kept: 1 }) as Uint8Array).toString(), '{"kept":1}');
});

test("64-bit integers of every kind", () => {
  const types = ["int", "varint64", "int64", "var_uint64", "uint64"];
  const fields = types.flatMap((type, at) => [{ name: `a${at}`, type }, { name: `l${at}`, type: `list<${type}?>` }, { name: `m${at}`, type: `map<${type},${type}>` }]);
  const big = 2n ** 53n;
  const value = Object.fromEntries(
    types.flatMap((_, at) => [[`a${at}`, 2 ** 53 - 1], [`l${at}`, [big, null, 0]], [`m${at}`, new Map<unknown, unknown>([[1, big], [big, 1]])]]),
  );
  const codec = planOf(fields);
  const wide = planOf(fields, {}, "bigint");
  for (const json of [true, false]) {
    const bytes = codec.encode("p/M", json, value) as Uint8Array;
    assert.deepEqual(codec.decode("p/M", json, bytes), value);
    const back = wide.decode("p/M", json, bytes) as Record<string, unknown>;
    assert.deepEqual([back["a0"], back["l4"], back["m2"]], [big - 1n, [big, null, 0n], new Map([[1n, big], [big, 1n]])]);
    assert.deepEqual(wide.encode("p/M", json, value), bytes);
  }
  for (const wrong of [2 ** 53, 1.5, NaN, "1", true, 2n ** 64n]) {
    assert.ok(codec.encode("p/M", false, { ...value, a0: wrong }) instanceof Error, String(wrong));
  }
  const bare = dynamicPlan(engine().native, native().manifestOf('{"service":"S","version":1,"types":{},"methods":[{"name":"m","pattern":"unary","request":"int","response":"int"}]}')).codec;
  for (const number of [0, -5, 2 ** 53 - 1, 2n ** 53n, -(2n ** 63n)]) {
    assert.equal(bare.decode("int", false, bare.encode("int", false, number) as Uint8Array), number);
  }
});

test("JSON without types", () => {
  const exact = '{"a":9007199254740993,"b":[-9223372036854775808,1],"c":"9007199254740993 \\u0000int:5","d":1e20,"e":0.1234567890123456789}';
  const value = parseJson(exact) as Record<string, unknown>;
  assert.deepEqual(value, { a: 9007199254740993n, b: [-(2n ** 63n), 1], c: "9007199254740993 \0int:5", d: 1e20, e: 0.12345678901234568 });
  assert.equal(jsonOf({ a: 9007199254740993n, b: "\\u0000int:5", c: [1n] }), '{"a":9007199254740993,"b":"\\\\u0000int:5","c":[1]}');
  assert.deepEqual(parseJson('{"__proto__":{"a":1}}'), Object.fromEntries([["__proto__", { a: 1 }]]));
  assert.equal(jsonOf({ at: new Date(0), raw: Buffer.from("a"), set: new Set([1]), map: new Map([[1, undefined]]) }), '{"at":"1970-01-01T00:00:00.000Z","raw":"YQ==","set":[1],"map":{}}');
  for (const wrong of [NaN, Infinity, () => 1, Symbol("a"), new Date(NaN), new Map([[{}, 1]])]) assert.throws(() => jsonOf({ wrong }), TypeError);
  // What would come out as another value is refused.
  assert.throws(() => jsonOf(["\0int:5", 1n]), TypeError);
  for (const wrong of ["", "{", '{"a":9007199254740993', "nope"]) assert.throws(() => parseJson(wrong), SyntaxError);
});
