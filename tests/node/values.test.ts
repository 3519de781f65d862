import assert from "node:assert/strict";
import { test } from "node:test";
import { ContractViolationError, Rpc, RpcError, Service, WireType, f, wireType } from "@aster/rpc";
import { failure, pair } from "./support.js";

enum Level {
  LOW,
  HIGH,
}
const Color = { RED: "red", BLUE: "blue" } as const;

class Inner extends wireType("values/Inner", { name: f.string(), qty: f.int() }) {}

const fields = {
  string: f.string(),
  bool: f.bool(),
  int: f.int(),
  int64: f.int64(),
  uint64: f.uint64(),
  safe64: f.int64({ as: "number" }),
  int8: f.int8(),
  int16: f.int16(),
  int32: f.int32(),
  uint8: f.uint8(),
  uint16: f.uint16(),
  uint32: f.uint32(),
  fixedInt32: f.fixedInt32(),
  fixedInt64: f.fixedInt64(),
  fixedUint32: f.fixedUint32(),
  fixedUint64: f.fixedUint64(),
  float: f.float(),
  float64: f.float64(),
  float32: f.float32(),
  bytes: f.bytes(),
  timestamp: f.timestamp(),
  micros: f.timestamp({ as: "micros" }),
  date: f.date(),
  duration: f.duration(),
  durationMicros: f.duration({ as: "micros" }),
  decimal: f.decimal(),
  uuid: f.uuid(),
  level: f.enum("values/Level", { LOW: Level.LOW, HIGH: Level.HIGH }),
  color: f.enum("values/Color", Color),
  list: f.list(f.string()),
  set: f.set(f.int()),
  map: f.map(f.int64(), f.list(f.string())),
  byName: f.record(f.optional(Inner)),
  nested: f.list(f.list(f.int())),
  maybe: f.optional(f.string()),
  many: f.optional(f.list(f.optional(f.int()))),
  inner: Inner,
  inners: f.list(f.ref(Inner)),
};

class Everything extends wireType("values/Everything", fields) {}

class Numbers extends wireType("values/Numbers", { int: f.int(), small: f.uint8(), float: f.float() }) {}

const Tree = WireType("values/Tree", { value: f.string(), left: f.optional(f.self()), right: f.optional(f.self()) })(
  class Tree {
    value = "";
    left: object | null = null;
    right: object | null = null;
  },
);

@WireType("values/Author", { name: f.string(), books: f.list(f.lazy(() => Book)) })
class Author {
  name = "";
  books: Book[] = [];
}

@WireType("values/Book", { title: f.string(), by: f.optional(f.lazy(() => Author)) })
class Book {
  title = "";
  by: Author | null = null;
}

class Order extends wireType("values/Order", { items: f.list(Inner), note: f.optional(f.string()) }) {}

@WireType("values/Required", { needed: f.string(), given: f.list(f.int()), text: f.string({ default: "d" }) })
class Required {
  needed!: string;
  given: number[] = [1, 2];
  text = "from the class";
}

@WireType("values/Picky", { text: f.string() })
class Picky {
  declare text: string;
  constructor() {
    let held = "";
    const set = (text: string): void => {
      if (text === "bad") throw new Error("no");
      held = text;
    };
    Object.defineProperty(this, "text", { get: () => held, set, enumerable: true });
  }
}

@Service({ name: "Echo", public: true })
class EchoService {
  @Rpc({ request: Everything, response: Everything })
  everything(value: Everything): Everything {
    return value;
  }
  @Rpc({ request: Numbers, response: Numbers })
  numbers(value: Numbers): Numbers {
    return value;
  }
  @Rpc({ request: Tree, response: Tree })
  tree(value: InstanceType<typeof Tree>): InstanceType<typeof Tree> {
    return value;
  }
  @Rpc({ request: Author, response: Author })
  author(value: Author): Author {
    return value;
  }
  @Rpc({ request: Order, response: Order })
  order(value: Order): Order {
    return value;
  }
  @Rpc({ request: Required, response: Required })
  required(value: Required): Required {
    return value;
  }
  @Rpc({ request: Picky, response: Picky })
  picky(value: Picky): Picky {
    return value;
  }
}

test("every helper there and back", async (t) => {
  const { client } = await pair(t, [new EchoService()]);
  const stub = await client.client(EchoService);
  const zero = await stub.everything(new Everything());
  assert.ok(zero instanceof Everything && zero.inner instanceof Inner);
  assert.deepEqual({ ...zero, byName: { ...zero.byName } }, { ...new Everything() });
  const value = new Everything({
    string: "ü你😀",
    bool: true,
    int: Number.MAX_SAFE_INTEGER,
    int64: -(2n ** 63n),
    uint64: 2n ** 64n - 1n,
    safe64: Number.MIN_SAFE_INTEGER,
    int8: -128,
    int16: 32767,
    int32: -(2 ** 31),
    uint8: 255,
    uint16: 65535,
    uint32: 2 ** 32 - 1,
    fixedInt32: -1,
    fixedInt64: 2n ** 63n - 1n,
    fixedUint32: 7,
    fixedUint64: 2n ** 64n - 1n,
    float: -0,
    float64: Number.NaN,
    float32: 1.5,
    bytes: new Uint8Array([0, 255, 1]),
    timestamp: new Date("2024-05-06T07:08:09.123Z"),
    micros: -1n,
    date: "2024-02-29",
    duration: -0.5,
    durationMicros: 2n ** 62n,
    decimal: "123.4500",
    uuid: "01234567-89ab-cdef-0123-456789abcdef",
    level: Level.HIGH,
    color: "blue",
    list: ["a", "b"],
    set: new Set([3, 1, 2]),
    map: new Map([
      [1n, ["x"]],
      [-5n, []],
    ]),
    byName: { one: new Inner({ name: "n", qty: 1 }), none: null, ["__proto__x"]: null },
    nested: [[1], [], [2, 3]],
    maybe: "m",
    many: [1, null, 2],
    inner: new Inner({ name: "i", qty: -1 }),
    inners: [new Inner(), new Inner({ qty: 2 })],
  });
  const back = await stub.everything(value);
  assert.equal(Object.getPrototypeOf(back.byName), null);
  assert.deepEqual({ ...back, byName: { ...back.byName } }, { ...value });
  assert.ok(Object.is(back.float, -0));
  assert.ok(back.inners.every((one) => one instanceof Inner));
});

test("records with hostile keys", async (t) => {
  const { client } = await pair(t, [new EchoService()]);
  const stub = await client.client(EchoService);
  const byName = JSON.parse('{"__proto__": null, "constructor": {"name": "c", "qty": 1}}') as Record<string, Inner | null>;
  const back = await stub.everything(new Everything({ byName }));
  assert.deepEqual(Object.keys(back.byName), ["__proto__", "constructor"]);
  assert.equal(Object.getPrototypeOf(back.byName), null);
  assert.equal((back.byName["constructor"] as Inner).name, "c");
  const polluted = JSON.parse('{"__proto__": {"int": 5}}') as Numbers;
  const refused = await failure(stub.numbers(polluted), ContractViolationError);
  assert.equal(refused.message, "contract violation at Numbers: unexpected field(s) '__proto__'");
  const inherited = Object.create({ int: 5 }) as Numbers;
  assert.equal((await failure(stub.numbers(inherited), ContractViolationError)).message, "contract violation at Numbers: expected Numbers");
});

test("types that contain themselves", async (t) => {
  const { client } = await pair(t, [new EchoService()]);
  const stub = await client.client(EchoService);
  const tree = { value: "a", left: { value: "b", left: null, right: null }, right: null };
  const back = await stub.tree(tree);
  assert.ok(back.left instanceof Tree);
  assert.deepEqual(JSON.parse(JSON.stringify(back)), tree);
  const book = { title: "t", by: { name: "other", books: [] } };
  assert.deepEqual(JSON.parse(JSON.stringify(await stub.author({ name: "n", books: [book] }))), { name: "n", books: [book] });
  let deep: { value: string; left: object | null; right: null } = { value: "", left: null, right: null };
  for (let depth = 1; depth < 50; depth++) deep = { value: "", left: deep, right: null };
  await stub.tree(deep);
  const deeper = await failure(stub.tree({ value: "", left: deep, right: null }), RpcError);
  assert.match(deeper.message, /nesting deeper than 50/);
});

test("fields that are left out take the declared default", async (t) => {
  const { client } = await pair(t, [new EchoService()]);
  const stub = await client.client(EchoService);
  const back = await stub.required({ needed: "x" } as Required);
  assert.ok(back instanceof Required);
  assert.deepEqual({ ...back }, { needed: "x", given: [1, 2], text: "d" });
  const error = await failure(stub.required({ given: [] } as unknown as Required), ContractViolationError);
  assert.equal(error.message, "contract violation at Required: missing field(s) 'needed'");
  assert.deepEqual({ ...(await stub.order({ items: [] } as unknown as Order)) }, { items: [], note: null });
  assert.deepEqual({ ...(await stub.order({ items: [], note: undefined } as unknown as Order)) }, { items: [], note: null });
});

test("values that do not fit are refused with their place, before anything is sent", async (t) => {
  const { client } = await pair(t, [new EchoService()]);
  const stub = await client.client(EchoService);
  const wrong: [keyof Everything, unknown, string][] = [
    ["string", 1, "expected string"],
    ["string", "\ud800", "expected string"],
    ["bool", 1, "expected bool"],
    ["int", 1.5, "expected varint64"],
    ["int", 2 ** 53, "expected varint64"],
    ["int", Number.NaN, "expected varint64"],
    ["int", 1n, "expected varint64"],
    ["int", true, "expected varint64"],
    ["int", "1", "expected varint64"],
    ["int", null, "null, but not optional"],
    ["int64", 1, "expected varint64"],
    ["int64", 2n ** 63n, "expected varint64"],
    ["uint64", -1n, "expected var_uint64"],
    ["uint64", 2n ** 64n, "expected var_uint64"],
    ["uint8", 256, "expected uint8"],
    ["uint8", -1, "expected uint8"],
    ["int32", 2 ** 31, "expected varint32"],
    ["float", "1", "expected float64"],
    ["float", 1n, "expected float64"],
    ["float32", 0.1, "expected float32"],
    ["bytes", [1, 2], "expected binary"],
    ["bytes", "aa", "expected binary"],
    ["timestamp", 5, "expected timestamp"],
    ["timestamp", new Date(Number.NaN), "timestamp"],
    ["date", "2023-02-29", "expected date"],
    ["date", new Date(), "expected date"],
    ["duration", Number.POSITIVE_INFINITY, "duration"],
    ["decimal", "1.2.3", "expected decimal"],
    ["decimal", 1, "expected decimal"],
    ["uuid", "01234567-89AB-CDEF-0123-456789ABCDEF", "expected a UUID in lower case"],
    ["level", 2, "unknown member of Level"],
    ["level", "HIGH", "unknown member of Level"],
    ["color", "green", "unknown member of Color"],
    ["list", "abc", "expected list<string>"],
    ["list", new Set(["a"]), "expected list<string>"],
    ["set", [1], "expected set<varint64>"],
    ["map", {}, "expected map<varint64,list<string>>"],
    ["byName", new Map(), "expected map<string,values/Inner?>"],
    ["byName", [], "expected map<string,values/Inner?>"],
    ["inner", null, "null, but not optional"],
    ["inner", [], "expected Inner"],
    ["inner", new Map(), "expected Inner"],
    ["inner", new Date(), "expected Inner"],
    ["inner", "x", "expected Inner"],
    ["inner", () => 1, "expected Inner"],
  ];
  for (const [field, value, reason] of wrong) {
    const error = await failure(stub.everything({ ...new Everything(), [field]: value } as Everything), RpcError);
    assert.ok(error instanceof ContractViolationError, `${field}: ${error.message}`);
    assert.equal(error.details["location"], `Everything.${field}`, `${field}: ${error.message}`);
    assert.ok(error.message.includes(reason), `${field}: ${error.message}`);
    assert.equal(error.kind, "codec");
  }
  const order = { items: [{ name: "a", qty: 1 }, { name: "b", qty: 1 }, { name: "c", qty: 1 }, { name: "d", qty: "1" }] };
  const place = await failure(stub.order(order as unknown as Order), ContractViolationError);
  assert.equal(place.details["location"], "Order.items[3].qty");
  assert.equal(place.details["expected_class"], "Inner");
  const unknown = await failure(stub.numbers({ int: 1, extra: 1, more: 2 } as unknown as Numbers), ContractViolationError);
  assert.equal(unknown.details["unexpected_fields"], "'extra','more'");
  for (const value of [null, undefined, 1, "x", [], new Map()]) {
    await failure(stub.numbers(value as unknown as Numbers), RpcError);
  }
  assert.equal((await stub.numbers({ int: 1, small: 2, float: 3 })).small, 2);
});

test("any view of a buffer is bytes", async (t) => {
  const { client } = await pair(t, [new EchoService()]);
  const stub = await client.client(EchoService);
  const buffer = new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8]).buffer;
  const views = [Buffer.from(buffer, 2, 4), new DataView(buffer, 2, 4), new Uint16Array(buffer, 2, 2)];
  for (const view of views) {
    const back = await stub.everything(new Everything({ bytes: view as unknown as Uint8Array }));
    assert.deepEqual([...back.bytes], [3, 4, 5, 6]);
    assert.equal(back.bytes.constructor, Uint8Array);
  }
});

test("code of the class that throws fails the one call", async (t) => {
  const { client } = await pair(t, [new EchoService()]);
  const stub = await client.client(EchoService);
  assert.equal((await stub.picky({ text: "good" })).text, "good");
  const error = await failure(stub.picky({ text: "bad" }), RpcError);
  assert.equal(error.message, "cannot decode request: Picky refused its values");
  const throwing = {
    get text(): string {
      throw new Error("getter");
    },
  };
  const getter = await failure(stub.picky(throwing), RpcError);
  assert.equal(getter.codeName, "INVALID_ARGUMENT");
  assert.match(getter.message, /getter/);
  assert.equal((await stub.picky({ text: "good" })).text, "good");
});
