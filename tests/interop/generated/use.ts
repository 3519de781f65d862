// Uses generated clients of the services of tests/python/generated_services.py. Compiled beside them by the test.
import { AsterClient, AsterConfig, type BidiChannel, RpcError, type ServerStreamCall } from "@aster/rpc";
import { Everything_ServiceClient, TallyClient } from "./made/index.js";
import { Author, Book, Everything, Level, Mood, Page_Point, Point, Point_2 } from "./made/types/everything-service-v2.js";

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function holds<T extends true>(value?: T): void {
  void value;
}

declare const value: Everything;
holds<Equal<typeof value.maybe, Mood | null>>();
holds<Equal<typeof value.byLevel, Map<Level, Point | null>>>();
holds<Equal<typeof value.big, bigint>>();
holds<Equal<typeof value.at, Date>>();
holds<Equal<typeof value.author, Author | null>>();
declare const author: Author;
holds<Equal<typeof author.books, Book[]>>();
declare const client: Everything_ServiceClient;
holds<Equal<ReturnType<typeof client.echo>, Promise<Everything>>>();
holds<Equal<ReturnType<typeof client.list>, ServerStreamCall<Point>>>();
holds<Equal<ReturnType<(of: Everything_ServiceClient) => BidiChannel<Point, Point>>, BidiChannel<Point, Point>>>();
export function wrong(): void {
  // @ts-expect-error a field of another type
  new Everything({ text: 1 });
  // @ts-expect-error a member that there is not
  new Everything({ level: 11 });
  // @ts-expect-error a parameter that there is not
  void client.inline({ nam: "x" });
}

const config = new AsterConfig({ relayMode: "disabled", bindAddr: "127.0.0.1:0" });
await using aster = await AsterClient.connect({ address: process.argv[2] as string, config });
let started = 0;
const counting = { onStart: () => void started++ };
const everything = await Everything_ServiceClient.fromConnection(aster, { interceptors: [counting] });
const point = new Point({ x: 1, y: 2 });
const sent = new Everything({
  text: "t\u0000",
  big: 2n ** 64n - 1n,
  maybe: Mood.UP,
  level: Level.LOW,
  byLevel: new Map([[Level.HIGH, point], [Level.LOW, null]]),
  names: new Set(["a"]),
  page: new Page_Point({ items: [point], next: new Page_Point() }),
  author: new Author({ name: "a", books: [new Book({ title: "b", by: new Author({ name: "c" }) })] }),
  other: new Point_2({ label: "l" }),
  grid: [[point], []],
  list: [1, null],
});
const back = await everything.echo(sent, { timeout: 10_000 });
const negated: number[] = [];
const channel = everything.negate();
await channel.send(point);
negated.push((await channel.recv())?.x ?? NaN);
await channel.closeSend();
for await (const each of everything.negate([new Point({ x: 5 })])) negated.push(each.x);
const counted: number[] = [];
for await (const each of everything.count({ first: 1 })) counted.push(each.x);
const listed: number[] = [];
for await (const each of everything.list(new Page_Point({ items: [point, point] }))) listed.push(each.x);
let denied = "";
try {
  await everything.library(new Book());
} catch (error) {
  denied = error instanceof RpcError ? error.codeName : String(error);
}
const tallied: number[] = [];
{
  await using tally = await TallyClient.fromConnection(aster);
  tallied.push((await tally.add(point)).x, (await tally.add(new Point({ x: 2 }))).x);
  for await (const each of tally.cancel([new Point({ x: 10 })])) tallied.push(each.x);
}
await using session = await aster.openSession();
tallied.push((await (await TallyClient.fromConnection(session)).add(point)).x);
const result = {
  same: JSON.stringify(plain(back)) === JSON.stringify(plain(sent)),
  classes: [back instanceof Everything, back.author instanceof Author, back.author?.books[0] instanceof Book],
  defaults: plain(new Everything()),
  inline: [(await everything.inline({ name: "abc" })).x, (await everything.inline({ name: "ab", count: 3, point })).y],
  none: (await everything.none()).x,
  total: (await everything.total([point, point])).x,
  counted,
  listed,
  negated,
  denied,
  started,
  tallied,
};
await everything.close();
console.log(JSON.stringify(result));

function plain(of: unknown): unknown {
  if (typeof of === "bigint") return `${of}n`;
  if (of instanceof Map || of instanceof Set) return [...of].map(plain);
  if (of instanceof Uint8Array || Array.isArray(of)) return [...of].map(plain);
  if (of instanceof Date) return of.getTime();
  if (typeof of === "number" && !Number.isFinite(of)) return String(of);
  if (typeof of !== "object" || of === null) return of;
  return Object.fromEntries(Object.entries(of).map(([name, item]) => [name, plain(item)]));
}
