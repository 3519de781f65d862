/** The service of `tests/interop/test_manifests.py` as a TypeScript program declares it; prints its manifest. */
import { BidiStream, ClientStream, ContractManifest, Rpc, ServerStream, anyOf, defineService, f, wireType } from "@aster/rpc";

const Colour = { RED: 0, GREEN: 1 } as const;
const Size = { S: "small", L: "large" } as const;

class Line extends wireType("shop/Line", {
  sku: f.string(),
  count: f.int({ default: 1 }),
  weight: f.float32({ default: 0.5 }),
}) {}

class Order extends wireType("shop/Order", {
  id: f.string(),
  lines: f.list(Line),
  by_sku: f.record(f.optional(Line)),
  colour: f.enum("shop/Colour", Colour, { default: Colour.GREEN }),
  number: f.int8({ default: -1 }),
  total: f.decimal({ default: "12.50" }),
  at: f.timestamp({ default: new Date("2024-05-06T07:08:09.250Z") }),
  day: f.date({ default: "2024-02-29" }),
  lasts: f.duration({ default: 1500 }),
  raw: f.bytes({ default: new Uint8Array([0, 255]) }),
  tags: f.set(f.string()),
  grid: f.list(f.list(f.float())),
  sizes: f.map(f.enum("shop/Size", Size), f.int()),
  size: f.enum("shop/Size", Size, { default: Size.L }),
  note: f.optional(f.string(), { default: "none" }),
  parent: f.optional(f.self()),
}) {}

class Receipt extends wireType("shop/Receipt", { id: f.string(), done: f.bool() }) {}

const params = { order_id: f.string({ default: "" }), reason: f.optional(f.string()) };

const Shop = defineService({
  name: "Shop",
  version: 3,
  scoped: "session",
  requires: anyOf("buyer", "admin"),
  methods: {
    place: Rpc({ request: Order, response: Receipt, timeout: 1500, idempotent: true }),
    cancel_order: Rpc({ params, response: Receipt, requires: "admin" }),
    watch: ServerStream({ request: Line, response: Order }),
    fill: ClientStream({ request: Line, response: Receipt }),
    haggle: BidiStream({ request: Line, response: Receipt }),
  },
});

process.stdout.write(ContractManifest.fromService(Shop).toJson());
