import assert from "node:assert/strict";
import { test } from "node:test";
import { Rpc, Service, WireType, contractIdFromService, defineService, f, wireGeneric, wireType } from "@aster/rpc";
import { pair, script } from "./support.js";

class Item extends wireType("generics/Item", { name: f.string(), qty: f.int() }) {}
const Page = wireGeneric("generics/Page", (T) => ({ items: f.list(T), next: f.optional(T), totalCount: f.int() }), {
  names: "snake_case",
});
const Both = wireGeneric("generics/Both", (A, B) => ({ one: A, byName: f.map(f.string(), B) }));

const idOf = (type: new () => object): string =>
  contractIdFromService(defineService({ name: "S", methods: { m: Rpc({ request: type, response: type }) } }));
const handwritten = (tag: string, item: Parameters<typeof Page>[0]): new () => object =>
  wireType(tag, { items: f.list(item), next: f.optional(item), total_count: f.int() });

test("a generic type is the flattened type", () => {
  assert.equal(idOf(Page(Item)), idOf(handwritten("generics/Page_Item", Item)));
  assert.equal(idOf(Page(f.list(f.int()))), idOf(handwritten("generics/Page_list_varint64", f.list(f.int()))));
  assert.equal(idOf(Page(Page(Item))), idOf(handwritten("generics/Page_Page_Item", Page(Item))));
  const two = wireType("generics/Both_string_optional_Item", { one: f.string(), byName: f.map(f.string(), f.optional(Item)) });
  assert.equal(idOf(Both(f.string(), f.optional(Item))), idOf(two));
  assert.notEqual(idOf(Page(f.string())), idOf(Page(f.bytes())));
  assert.equal(Page(Item).name, "Page_Item");
});

test("one class per argument list", () => {
  assert.equal(Page(Item), Page(Item));
  assert.equal(Page(Item), Page(f.ref(Item)) as unknown);
  assert.equal(Page(f.list(f.int())), Page(f.list(f.int())));
  assert.equal(Page(f.lazy(() => Item)), Page(Item) as unknown);
  // One contract type, but other values in JavaScript.
  assert.notEqual(Page(f.int()), Page(f.int64()) as unknown);
  assert.notEqual(Both(Item, f.int()), Both(f.int(), Item) as unknown);
});

test("values of generic types travel", async (t) => {
  @Service({ name: "Pages", public: true })
  class Pages {
    @Rpc({ request: Page(Item), response: Page(f.string()) })
    names(page: InstanceType<ReturnType<typeof Page<[typeof Item]>>>) {
      assert.ok(page instanceof Page(Item) && page.items.every((item) => item instanceof Item));
      return new (Page(f.string()))({ items: page.items.map((item) => item.name), totalCount: page.totalCount });
    }
  }
  const { client } = await pair(t, [new Pages()]);
  const back = await (await client.client(Pages)).names(new (Page(Item))({ items: [new Item({ name: "a" })], totalCount: 5 }));
  assert.ok(back instanceof Page(f.string()));
  assert.deepEqual({ ...back }, { items: ["a"], next: null, totalCount: 5 });
});

test("type arguments that are none", () => {
  const page = Page as (...types: unknown[]) => new () => object;
  assert.throws(() => page(), { name: "TypeError", message: /wireGeneric\("generics\/Page"\): expected 1 type argument/ });
  assert.throws(() => (Both as typeof page)(Item), { name: "TypeError", message: /expected 2 type argument\(s\), got 1/ });
  assert.throws(() => page("x"), TypeError);
  assert.throws(() => page(class Plain {}), { name: "TypeError", message: /Plain is not @WireType-decorated/ });
  assert.throws(() => page(f.self()), { name: "TypeError", message: /f\.self\(\) cannot be a type argument/ });
  assert.throws(() => page(f.lazy(() => Later)), { name: "TypeError", message: /not declared yet/ });
  @WireType("generics/Later", { pages: f.lazy((): new () => object => Page(Later)) })
  class Later {
    pages!: object;
  }
  assert.match(idOf(Later), /^[0-9a-f]{64}$/);
  assert.throws(() => wireGeneric("", () => ({})), TypeError);
  assert.throws(() => wireGeneric("generics/None", undefined as never), TypeError);
});

test("documentation of a type is no part of its identity", () => {
  const field = { text: f.string() };
  const documented = WireType("generics/Doc", field, { metadata: { description: "Text." } })(class { text = ""; });
  assert.equal(idOf(documented), idOf(wireType("generics/Doc", field)));
  assert.throws(() => WireType("generics/Doc", field, { metadata: "Text." as never }), TypeError);
});

test("declaring a generic type loads nothing", async (t) => {
  const text = `import { f, wireGeneric, wireType } from "@aster/rpc";
    const Page = wireGeneric("x/Page", (T) => ({ items: f.list(T) }));
    class Pages extends Page(wireType("x/Item", { name: f.string() })) {}
    console.log(new Pages().items.length, process.report.getReport().sharedObjects.filter((file) => file.includes("aster")).length);`;
  const { out } = await script(t, text).ended;
  assert.equal(out, "0 0\n");
});
