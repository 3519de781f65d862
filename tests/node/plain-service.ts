/** A service with every kind of field and pattern, for clients without classes. */
import { BidiStream, ClientStream, type CallContext, Rpc, ServerStream, Service, WireType, f, wireType } from "@aster/rpc";

export const Colour = { RED: 0, GREEN: 1 } as const;
export const Size = { S: "small", L: "large" } as const;

/** Without initial values, so that every field has to be given. */
export class Leaf {
  declare name: string;
  declare colour: 0 | 1;
}
WireType("plain/Leaf", { name: f.string(), colour: f.enum("plain/Colour", Colour) })(Leaf);

export class Everything extends wireType("plain/Everything", {
  title: f.string(),
  count: f.int64(),
  unsigned: f.uint64(),
  small: f.int8(),
  ratio: f.float(),
  raw: f.bytes(),
  at: f.timestamp({ as: "micros" }),
  day: f.date(),
  lasts: f.duration(),
  price: f.decimal(),
  size: f.enum("plain/Size", Size),
  leaves: f.list(Leaf),
  tags: f.set(f.string()),
  byName: f.record(Leaf),
  byNumber: f.map(f.int(), f.string()),
  byColour: f.map(f.enum("plain/Colour", Colour), f.int()),
  note: f.optional(f.string()),
  parent: f.optional(f.self()),
  with_default: f.int({ default: 7 }),
}) {}

export class Count extends wireType("plain/Count", { value: f.int64() }) {}

function answers() {
  class Plain {
    /** Requests as the handlers saw them. */
    readonly seen: object[] = [];

    async echo(request: Everything): Promise<Everything> {
      this.seen.push(request);
      return request;
    }

    async twice(number: number): Promise<number> {
      return number * 2;
    }

    async wait(_: Count, ctx: CallContext): Promise<Count> {
      await new Promise((resolve) => ctx.signal.addEventListener("abort", resolve, { once: true }));
      return new Count();
    }

    async *up(count: Count): AsyncGenerator<Count> {
      for (let value = 1n; value <= count.value; value++) yield new Count({ value });
    }

    async sum(counts: AsyncIterable<Count>): Promise<Count> {
      let value = 0n;
      for await (const count of counts) value += count.value;
      return new Count({ value });
    }

    async *double(counts: AsyncIterable<Count>): AsyncGenerator<Count> {
      for await (const { value } of counts) yield new Count({ value: value * 2n });
    }
  }
  return Plain;
}

const methods = {
  echo: Rpc({ request: Everything, response: Everything }),
  twice: Rpc({ request: f.int(), response: f.int() }),
  wait: Rpc({ request: Count, response: Count }),
  up: ServerStream({ request: Count, response: Count }),
  sum: ClientStream({ request: Count, response: Count }),
  double: BidiStream({ request: Count, response: Count }),
};

export const Plain = Service({ name: "Plain", methods })(answers());
export const PlainSession = Service({ name: "PlainSession", scoped: "session", methods })(answers());

/** A value of {@link Everything} as a plain object. */
export function everything() {
  return {
    title: "Zoë \u{1f600}",
    count: 5,
    unsigned: 2n ** 64n - 1n,
    small: -8,
    ratio: 0.5,
    raw: new Uint8Array([0, 255]),
    at: new Date("2024-05-06T07:08:09.123Z"),
    day: "2024-02-29",
    lasts: 1500,
    price: "12.50",
    size: "L",
    leaves: [{ name: "a", colour: "GREEN" }],
    tags: new Set(["x", "y"]),
    byName: { a: { name: "a", colour: "RED" } },
    byNumber: new Map([[3, "three"]]),
    byColour: { RED: 1 },
    note: null,
    with_default: 1,
  };
}
