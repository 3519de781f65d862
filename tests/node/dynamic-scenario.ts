/** Dynamic clients of `tests/interop`: `serve` has the types; `call ADDRESS` has none and prints what came as JSON. */
import { AsterClient, AsterServer, ContractViolationError, Rpc, ServerStream, Service, f, wireType } from "@aster/rpc";

const Kind = { LEAF: 0, BRANCH: 1 } as const;
const Size = { S: "small", L: "large" } as const;

class Leaf extends wireType("dynamic/Leaf", { word: f.string(), kind: f.enum("dynamic/Kind", Kind) }) {}

class Tree extends wireType("dynamic/Tree", {
  name: f.string(),
  kind: f.enum("dynamic/Kind", Kind),
  size: f.enum("dynamic/Size", Size),
  children: f.list(f.self()),
  leaves: f.record(f.list(Leaf)),
  by_number: f.map(f.int(), f.optional(f.string())),
  kinds: f.set(f.enum("dynamic/Kind", Kind)),
  big: f.int64(),
  at: f.timestamp(),
  day: f.date(),
  lasts: f.duration(),
  price: f.decimal(),
  raw: f.bytes(),
  parent: f.optional(f.lazy((): new () => object => Branch)),
}) {}

/** Refers back to what refers to it. */
class Branch extends wireType("dynamic/Branch", { tree: f.optional(f.ref(Tree)), depth: f.int() }) {}

@Service({ name: "Forest", public: true })
class Forest {
  @Rpc({ request: Tree, response: Tree })
  async turn(tree: Tree): Promise<Tree> {
    const parent = new Branch({ tree: new Tree({ name: tree.name }), depth: 2 });
    return new Tree({ ...tree, children: [...tree.children].reverse(), parent });
  }

  @ServerStream({ request: Tree, response: Branch })
  async *walk(tree: Tree): AsyncGenerator<Branch> {
    yield* this.#below(tree, 0);
  }

  *#below(tree: Tree, depth: number): Generator<Branch> {
    yield new Branch({ tree: new Tree({ name: tree.name, kind: tree.kind }), depth });
    for (const child of tree.children as Tree[]) yield* this.#below(child, depth + 1);
  }
}

const small = (name: string, children: object[] = []): object => ({ name, kind: children.length > 0 ? "BRANCH" : "LEAF", children });

const tree = {
  ...small("root", [small("left", [small("deep")]), small("right")]),
  size: "L",
  leaves: { green: [{ word: "Blatt", kind: "LEAF" }], none: [] },
  by_number: new Map([[-1, null], [7, "seven"]]),
  kinds: new Set(["BRANCH"]),
  big: 2n ** 62n,
  at: new Date("2024-05-06T07:08:09.250Z"),
  day: "2024-02-29",
  lasts: 1500,
  price: "12.50",
  raw: new Uint8Array([0, 255]),
  parent: { tree: null, depth: 1 },
};

/** Writes values as every language prints them. */
function shown(value: unknown): unknown {
  if (typeof value === "bigint") return String(value);
  if (value instanceof Date) return value.getTime();
  if (value instanceof Uint8Array) return Buffer.from(value).toString("hex");
  if (value instanceof Set) return [...(value as Set<string>)].sort();
  if (value instanceof Map) return Object.fromEntries([...(value as Map<number, unknown>)].map(([key, item]) => [key, shown(item)]));
  if (Array.isArray(value)) return value.map(shown);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, shown(item)]));
}

async function serve(): Promise<void> {
  const server = await AsterServer.start({ services: [new Forest()] });
  server.installSignalHandlers();
  console.log(`address ${server.address}`);
  await server.serve();
}

async function call(address: string): Promise<void> {
  await using client = await AsterClient.connect({ address });
  const forest = client.proxy<"turn" | "walk">("Forest");
  const turned = shown(await forest.turn(tree));
  const walked: unknown[] = [];
  for await (const { tree: at, depth } of forest.walk.stream(tree)) {
    const { name, kind } = at as { name: string; kind: string };
    walked.push([depth, name, kind]);
  }
  const wrong = await forest.turn({ ...tree, children: [{ name: "a", twigs: 1 }] }).catch((error: ContractViolationError) => error.details);
  console.log(JSON.stringify({ turned, walked, wrong }));
}

const [what, address = ""] = process.argv.slice(2);
await (what === "serve" ? serve() : call(address));
