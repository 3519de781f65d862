/** Types that must hold, and programs that must not compile; `tsc` runs this file. */
import {
  AsterClient,
  type BidiChannel,
  BidiStream,
  type CallContext,
  type CallOptions,
  ClientStream,
  type PlainMessage,
  Rpc,
  ServerStream,
  type ServerStreamCall,
  Service,
  type Source,
  WireType,
  defineService,
  f,
  wireGeneric,
  wireType,
  withOptions,
} from "@aster/rpc";

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function holds<T extends true>(value?: T): void {
  void value;
}

const Color = { RED: "red", BLUE: "blue" } as const;
class Item extends wireType("t/Item", {
  name: f.string(),
  count: f.int(),
  total: f.int64(),
  small: f.int64({ as: "number" }),
  ratio: f.float(),
  data: f.bytes(),
  names: f.list(f.string()),
  byName: f.map(f.string(), f.int()),
  record: f.record(f.list(f.bool())),
  maybe: f.optional(f.string()),
  color: f.enum("t/Color", Color),
  at: f.timestamp(),
  exact: f.timestamp({ as: "micros" }),
}) {}

declare const item: Item;
holds<Equal<typeof item.name, string>>();
holds<Equal<typeof item.count, number>>();
holds<Equal<typeof item.total, bigint>>();
holds<Equal<typeof item.small, number>>();
holds<Equal<typeof item.data, Uint8Array>>();
holds<Equal<typeof item.names, string[]>>();
holds<Equal<typeof item.byName, Map<string, number>>>();
holds<Equal<typeof item.record, Record<string, boolean[]>>>();
holds<Equal<typeof item.maybe, string | null>>();
holds<Equal<typeof item.color, "red" | "blue">>();
holds<Equal<typeof item.at, Date>>();
holds<Equal<typeof item.exact, bigint>>();

const Page = wireGeneric("t/Page", (T) => ({ items: f.list(T), first: f.optional(T), total: f.int(), byName: f.record(T) }));
class ItemPage extends Page(Item) {}
declare const page: ItemPage;
holds<Equal<typeof page.items, Item[]>>();
holds<Equal<typeof page.first, Item | null>>();
holds<Equal<typeof page.total, number>>();
holds<Equal<typeof page.byName, Record<string, Item>>>();
const Pair = wireGeneric("t/Pair", (A, B) => ({ one: A, all: f.map(A, f.list(B)), at: f.timestamp(), item: f.ref(Item) }));
declare const both: InstanceType<ReturnType<typeof Pair<[typeof text, typeof big]>>>;
const [text, big] = [f.string(), f.list(f.int64())];
holds<Equal<typeof both.one, string>>();
holds<Equal<typeof both.all, Map<string, bigint[][]>>>();
holds<Equal<typeof both.at, Date>>();
holds<Equal<typeof both.item, Item>>();

export function declarations(): void {
  // @ts-expect-error a field of another type
  new Item({ name: 1 });
  // @ts-expect-error elements of another type than the argument
  new ItemPage({ items: [1] });
  // @ts-expect-error no type argument
  Page();
  // @ts-expect-error an unknown field
  new Item({ nom: "x" });
  // @ts-expect-error a default of another type
  f.string({ default: 1 });
  // @ts-expect-error numbers only with as: "number"
  f.int64({ default: 1 });
}

// @ts-expect-error the class has another type of field than the table
@WireType("t/Wrong", { name: f.string() })
export class Wrong {
  name = 0;
}
// @ts-expect-error the class lacks a field of the table
@WireType("t/Lacking", { name: f.string() })
export class Lacking {}
// @ts-expect-error the class needs constructor arguments
@WireType("t/Needy", { name: f.string() })
export class Needy {
  constructor(public name: string) {}
}

class Reply extends wireType("t/Reply", { ok: f.bool() }) {}

@Service({ name: "Store" })
export class Store {
  @Rpc({ request: Item, response: Reply })
  async put(request: Item): Promise<Reply> {
    return new Reply({ ok: request.count > 0 });
  }
  // @ts-expect-error the handler takes another request
  @Rpc({ request: Item, response: Reply })
  async other(request: string): Promise<Reply> {
    return new Reply({ ok: request === "" });
  }
  // @ts-expect-error the handler returns another response
  @Rpc({ request: Item, response: Reply })
  async wrong(): Promise<string> {
    return "";
  }
}

const Defined = defineService({ name: "Store", methods: { put: Rpc({ request: Item, response: Reply }) } });

export async function calls(client: AsterClient): Promise<void> {
  const stub = await client.client(Store);
  const defined = await client.client(Defined);
  holds<Equal<Parameters<typeof stub.put>, [request: Item, options?: CallOptions]>>();
  holds<Equal<ReturnType<typeof stub.put>, Promise<Reply>>>();
  holds<Equal<ReturnType<typeof defined.put>, Promise<Reply>>>();
  // @ts-expect-error an unknown method
  await stub.get(item);
  // @ts-expect-error an unknown method of a definition
  await defined.get(item);
  // @ts-expect-error a request of another type
  await stub.put({ name: "x" });
  // @ts-expect-error a missing await
  stub.put(item).ok;
  // @ts-expect-error options of another type
  await stub.put(item, { timeout: "1s" });
}

const both2 = { request: Item, response: Reply };

@Service({ name: "Streams", scoped: "session" })
export class Streams {
  @ServerStream(both2)
  async *list(request: Item, context: CallContext): AsyncGenerator<Reply> {
    yield new Reply({ ok: request.count > 0 && context.isStreaming });
  }
  @ClientStream(both2)
  async load(items: AsyncIterable<Item>): Promise<Reply> {
    for await (const item of items) void item.count;
    return new Reply();
  }
  @BidiStream(both2)
  async *both(items: AsyncIterable<Item>): AsyncGenerator<Reply> {
    for await (const item of items) yield new Reply({ ok: item.name === "" });
  }
  // @ts-expect-error the handler does not return a stream
  @ServerStream(both2)
  async single(request: Item): Promise<Reply> {
    return new Reply({ ok: request.name === "" });
  }
  // @ts-expect-error the handler yields another type
  @ServerStream(both2)
  async *texts(request: Item): AsyncGenerator<string> {
    yield request.name;
  }
  // @ts-expect-error the handler takes one request
  @ClientStream(both2)
  async one(request: Item): Promise<Reply> {
    return new Reply({ ok: request.name === "" });
  }
  // @ts-expect-error a bidi method is never idempotent
  @BidiStream({ ...both2, idempotent: true })
  async *again(items: AsyncIterable<Item>): AsyncGenerator<Reply> {
    for await (const item of items) yield new Reply({ ok: item.name === "" });
  }
  onSessionClose(): void {}
}

const DefinedStreams = defineService({
  name: "Streams",
  methods: { list: ServerStream(both2), load: ClientStream(both2), both: BidiStream(both2) },
});

export async function streams(client: AsterClient): Promise<void> {
  for (const stub of [await client.client(Streams), await client.client(DefinedStreams)]) {
    holds<Equal<Parameters<typeof stub.list>, [request: Item, options?: CallOptions]>>();
    holds<Equal<ReturnType<typeof stub.list>, ServerStreamCall<Reply>>>();
    holds<Equal<Parameters<typeof stub.load>, [source: Source<Item>, options?: CallOptions]>>();
    holds<Equal<ReturnType<typeof stub.load>, Promise<Reply>>>();
    const channel = stub.both({ prefetch: 1 });
    holds<Equal<typeof channel, BidiChannel<Item, Reply>>>();
    const stream = stub.both([item], { prefetch: 1 });
    holds<Equal<typeof stream, ServerStreamCall<Reply>>>();
    holds<Equal<Awaited<ReturnType<typeof channel.recv>>, Reply | undefined>>();
    holds<Equal<ReturnType<typeof stub.close>, Promise<void>>>();
    // @ts-expect-error an item of another type
    await channel.send({ name: "x" });
    // @ts-expect-error items of another type
    stub.load(["x"]);
    // @ts-expect-error a stream is no promise
    (await stub.list(item)).ok;
  }
  // @ts-expect-error a hook is no method
  (await client.client(Streams)).onSessionClose();
}

// Clients without classes.
async function dynamic(client: AsterClient): Promise<void> {
  const proxy = client.proxy<"tail" | "sum">("Log");
  const awaited = await proxy;
  holds<Equal<typeof awaited, typeof proxy>>();
  const summed = await proxy.sum([{ value: 1 }]);
  holds<Equal<typeof summed, PlainMessage>>();
  const typed = await proxy.sum<{ value: number }>({ value: 1 }, { timeout: 5 });
  holds<Equal<typeof typed, { value: number }>>();
  const tailed = proxy.tail.stream();
  holds<Equal<typeof tailed, ServerStreamCall<PlainMessage>>>();
  const channel = proxy.tail.bidi();
  holds<Equal<typeof channel, BidiChannel<PlainMessage, PlainMessage>>>();
  const fed = proxy.tail.bidi([{ value: 1 }]);
  holds<Equal<typeof fed, ServerStreamCall<PlainMessage>>>();
  // @ts-expect-error: not one of the names that were given
  void proxy.other;
  const any = client.proxy("Log");
  void any["whatever"]?.({ value: 1 });
  await any.$call("whatever", { value: 1 });
  // @ts-expect-error: a method has a name
  await any.$call({ value: 1 });
  await using session = await client.session<"sum">("Log");
  const sessionId: string = session.sessionId;
  await session.sum({ value: sessionId });
  await session.close();
  const patient = withOptions(proxy, { timeout: 1000, metadata: { a: "b" } });
  holds<Equal<typeof patient, typeof proxy>>();
  // @ts-expect-error: no default of calls
  withOptions(proxy, { signal: AbortSignal.abort() });
}
void dynamic;
