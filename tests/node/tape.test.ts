/** What could go wrong between the package and its library: nesting, sizes, texts, code of the user in between. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ContractViolationError, Rpc, RpcError, WireType, defineService, f, wireType } from "@aster/rpc";
import { type Compiled, compiled } from "./declared.js";
import { script } from "./support.js";

class Leaf extends wireType("tape/Leaf", { text: f.string(), number: f.float() }) {}
class Box extends wireType("tape/Box", {
  text: f.string(),
  leaves: f.list(Leaf),
  more: f.list(f.optional(f.string())),
  big: f.int64(),
  data: f.bytes(),
}) {}
const Tree = WireType("tape/Tree", { left: f.optional(f.self()), right: f.optional(f.self()) })(
  class Tree {
    left: object | null = null;
    right: object | null = null;
  },
);

const codecs = new Map<new () => object, Promise<Compiled>>();
function codecOf(type: new () => object): Promise<Compiled> {
  const known = codecs.get(type) ?? compiled(defineService({ name: "T", methods: { m: Rpc({ request: type, response: type }) } }));
  codecs.set(type, known);
  return known;
}

async function there(type: new () => object, tag: string, value: object): Promise<unknown> {
  const codec = await codecOf(type);
  for (const json of [false, true]) {
    const bytes = codec.encode(tag, json, value);
    if (bytes instanceof Error) throw bytes;
    const back = codec.decode(tag, json, bytes);
    assert.deepEqual(back, value);
  }
  return value;
}

test("texts of every length and width, alone and in company", async () => {
  const parts = ["", "a", "é", "ÿ".repeat(300), "日本", "😀", "x".repeat(5000), "日".repeat(5000), "a\u0000b"];
  for (const text of parts) await there(Leaf, "tape/Leaf", new Leaf({ text, number: 1 }));
  const leaves = parts.flatMap((text, at) => parts.map((other) => new Leaf({ text: text + other, number: at })));
  await there(Box, "tape/Box", new Box({ text: "日", leaves, more: [...parts, null] }));
  const ascii = Array.from({ length: 3000 }, (_, at) => new Leaf({ text: `leaf ${at} ${"-".repeat(at % 40)}`, number: at / 8 }));
  await there(Box, "tape/Box", new Box({ leaves: ascii }));
  await there(Box, "tape/Box", new Box({ leaves: ascii.map(({ text }) => new Leaf({ text: `${text}é` })) }));
  await there(Box, "tape/Box", new Box({ leaves: ascii.map(({ text }) => new Leaf({ text: `${text}日` })) }));
});

test("halves of a character do not meet in the middle", async () => {
  const codec = await codecOf(Box);
  const halves = codec.encode("tape/Box", false, new Box({ text: "\ud83d", more: ["\ude00"] }));
  assert.ok(halves instanceof ContractViolationError);
  assert.equal(halves.details["location"], "Box.more[0]");
});

test("a value that is large, then one that is not", async () => {
  const leaves = Array.from({ length: 50_000 }, (_, at) => new Leaf({ text: String(at), number: at }));
  for (let round = 0; round < 3; round++) {
    await there(Box, "tape/Box", new Box({ text: "large", leaves, big: -(2n ** 63n), data: new Uint8Array(100_000).fill(7) }));
    await there(Box, "tape/Box", new Box({ text: "small", big: 2n ** 63n - 1n, data: new Uint8Array([1]) }));
  }
});

test("every NaN stays a NaN", async () => {
  const codec = await codecOf(Leaf);
  const bits = new DataView(new ArrayBuffer(8));
  for (const high of [0x7ff80000, 0xfff80000, 0xfffc0000, 0xfffc0001, 0xfffc0002, 0xfffc0003, 0xffffffff]) {
    bits.setUint32(0, high);
    bits.setUint32(4, 1);
    const bytes = codec.encode("tape/Leaf", false, new Leaf({ number: bits.getFloat64(0) }));
    assert.ok(bytes instanceof Uint8Array, high.toString(16));
    const place = bytes.length - 9;
    const foreign = new Uint8Array(bytes);
    new DataView(foreign.buffer).setBigUint64(place, bits.getBigUint64(0), true);
    for (const body of [bytes, foreign]) {
      assert.ok(Number.isNaN((codec.decode("tape/Leaf", false, body) as Leaf).number), high.toString(16));
    }
  }
});

test("a getter that encodes, a constructor that decodes", async () => {
  const [leaf, box] = [await codecOf(Leaf), await codecOf(Box)];
  const inner = new Leaf({ text: "inner", number: 2 });
  const many = new Box({ leaves: Array.from({ length: 20_000 }, () => inner) });
  let nested: unknown;
  const value = {
    text: "outer",
    get number(): number {
      nested = leaf.encode("tape/Leaf", false, inner);
      assert.ok(box.encode("tape/Box", false, many) instanceof Uint8Array);
      assert.ok(leaf.encode("tape/Leaf", false, { text: 1 }) instanceof ContractViolationError);
      return 1;
    },
  };
  const list = { ...new Box({ text: "list" }), leaves: [inner, value, inner] };
  const bytes = box.encode("tape/Box", false, list);
  assert.deepEqual(nested, leaf.encode("tape/Leaf", false, inner));
  assert.deepEqual(bytes, box.encode("tape/Box", false, { ...list, leaves: [inner, { text: "outer", number: 1 }, inner] }));

  const body = bytes as Uint8Array;
  const seen: unknown[] = [];
  const Reading = WireType("tape/Reading", { first: f.string(), leaves: f.list(Leaf), last: f.string() })(
    class {
      first = "";
      leaves: Leaf[] = [];
      last = "";
      constructor() {
        seen.push(box.decode("tape/Box", false, body), box.encode("tape/Box", false, list));
      }
    },
  );
  const reading = await codecOf(Reading);
  const plain = { first: "f", leaves: [inner, inner], last: "日本" };
  const back = reading.decode("tape/Reading", false, reading.encode("tape/Reading", false, plain) as Uint8Array);
  assert.deepEqual({ ...(back as object) }, plain);
  assert.ok(seen.length >= 2);
  for (let at = 0; at < seen.length; at += 2) {
    assert.deepEqual((seen[at] as Box).leaves[1], new Leaf({ text: "outer", number: 1 }));
    assert.deepEqual(seen[at + 1], bytes);
  }
});

test("objects that contain themselves, and more objects than a body holds", async () => {
  const codec = await codecOf(Tree);
  const cycle: { left: object | null; right: null } = { left: null, right: null };
  cycle.left = cycle;
  const refused = codec.encode("tape/Tree", false, cycle);
  assert.ok(refused instanceof RpcError && /nesting deeper than 50/.test(refused.message));
  let shared: object | null = null;
  for (let depth = 0; depth < 40; depth++) shared = { left: shared, right: shared };
  const large = codec.encode("tape/Tree", false, shared);
  assert.ok(large instanceof RpcError && /too large/.test(large.message), String(large));
  assert.ok(codec.encode("tape/Tree", false, { left: null, right: null }) instanceof Uint8Array);
});

test("keys in another order, and of the class", async () => {
  const codec = await codecOf(Leaf);
  const wanted = codec.encode("tape/Leaf", false, new Leaf({ text: "t", number: 1 }));
  assert.deepEqual(codec.encode("tape/Leaf", false, { number: 1, text: "t" }), wanted);
  class Derived extends Leaf {
    override get number(): number {
      return 1;
    }
    override set number(_: number) {}
  }
  const derived = new Derived({ text: "t" });
  assert.deepEqual(codec.encode("tape/Leaf", false, derived), wanted);
  assert.deepEqual(codec.encode("tape/Leaf", false, Object.create(derived, { text: { value: "t", enumerable: true } })), wanted);
});

test("doubled keys of maps are refused, whatever their encoding", async () => {
  class Maps extends wireType("tape/Maps", { byText: f.map(f.string(), f.int()), byBig: f.map(f.int64(), f.int()) }) {}
  const codec = await codecOf(Maps);
  for (const text of ['{"byText":{"é":1,"\\u00e9":2},"byBig":{}}', '{"byText":{"日":1,"\\u65e5":2},"byBig":{}}']) {
    const twice = codec.decode("tape/Maps", true, Buffer.from(text));
    assert.ok(twice instanceof ContractViolationError, String(twice));
  }
  const sound = codec.decode("tape/Maps", true, Buffer.from('{"byText":{"日":1,"日本":2},"byBig":{"1":1,"2":2}}')) as Maps;
  assert.deepEqual([...sound.byText, ...sound.byBig], [["日", 1], ["日本", 2], [1n, 1], [2n, 2]]);
});

test("where code may not be made from text", async (t) => {
  const text = `import { AsterClient, AsterConfig, AsterServer, Rpc, Service, f, wireType } from "@aster/rpc";
    class Item extends wireType("x/Item", { name: f.string(), count: f.int() }) {}
    class All extends wireType("x/All", { items: f.list(Item), note: f.optional(f.string()), on: f.bool({ default: true }) }) {}
    const Echo = Service({ name: "Echo", public: true, methods: { echo: Rpc({ request: All, response: All }) } })(
      class { echo(all) { return all; } });
    const config = new AsterConfig({ relayMode: "disabled", bindAddr: "127.0.0.1:0" });
    let made = "no code";
    try { new Function("return 1")(); made = "code"; } catch {}
    const server = await AsterServer.start({ services: [new Echo()], config });
    const client = await AsterClient.connect({ address: server.address, config });
    const back = await (await client.client(Echo)).echo({ items: [new Item({ name: "é日", count: 3 })], note: null });
    console.log(made, JSON.stringify(back), back instanceof All, back.items[0] instanceof Item);
    await client.close();
    await server.close();`;
  const env = { ...process.env, ASTER_ALLOW_ALL_CONSUMERS: "true", NODE_OPTIONS: "--disallow-code-generation-from-strings" };
  const { out, err } = await script(t, text, env).ended;
  assert.equal(out, 'no code {"items":[{"name":"é日","count":3}],"note":null,"on":true} true true\n', err);
});
