/** The JavaScript side of a compiled service: how its values become slots, and values again. */
import type { Shape } from "./fields.js";
import { type WireClass, wireInfo } from "./messages.js";
import { type NativePlan, native } from "./native.js";
import { type ReadContext, type Readable, recordReader } from "./readers.js";
import { type Write, incoming, outgoing } from "./tape.js";
import { type WriteContext, type Written, recordWriter, writer } from "./writers.js";

/** A message as it is declared; `self` is the message that `f.self()` means, if another one. */
export interface MessageShape {
  readonly tag: string;
  readonly type: WireClass;
  readonly properties: readonly string[];
  readonly shapes: readonly Shape[];
  readonly self?: string;
}

interface Entry extends Written, Readable {
  readonly self: string;
}

type EnumShape = Extract<Shape, { kind: "enum" }>;

/** Bare scalars by their text; how they are held. */
const BARE = { string: "string", int: "varint64", float: "float64", bool: "bool", bytes: "binary" } as const;

/** Conversions of one service. */
export class Codec implements WriteContext, ReadContext {
  readonly maxDepth = native().maxMessageDepth();
  readonly #messages: readonly Entry[];
  readonly #byTag = new Map<string, Entry>();
  readonly #roots = new Map<string, { number: number; write: Write }>();
  #native: NativePlan | undefined;

  readonly #bareInt: string;

  /** `bareInt`: how an integer that is all of a message is held. */
  constructor(messages: readonly MessageShape[], bareInt = "") {
    this.#bareInt = bareInt;
    this.#messages = messages.map(({ tag, type, properties, shapes, self = tag }) => {
      // Made at first use: many types of a service are never seen.
      const entry: Entry = {
        ...{ type, properties, shapes, self },
        write: (value, slot) => (entry.write = recordWriter(this, entry))(value, slot),
        read: (slot) => (entry.read = recordReader(this, entry))(slot),
      };
      this.#byTag.set(tag, entry);
      return entry;
    });
  }

  /** Takes the plan that was compiled with {@link build}. */
  join(plan: NativePlan): void {
    this.#native = plan;
  }

  get #plan(): NativePlan {
    if (!this.#native) throw new Error("the codec has no plan");
    return this.#native;
  }

  /** Builds a value; called by the native library. */
  readonly build = (
    message: number,
    slot: number,
    latin1: string,
    wide: string | undefined,
    slots: ArrayBuffer | undefined,
    rest: ArrayBuffer | undefined,
    split: number | undefined,
    objects: unknown[] | undefined,
  ): unknown => incoming.take((this.#messages[message] as Entry).read, slot, latin1, wide, slots, rest, split, objects);

  message(shape: Shape, owner: Written | Readable | undefined): Entry {
    const tag = shape.kind === "message" ? (wireInfo(shape.resolve())?.tag as string) : (owner as Entry).self;
    return this.#byTag.get(tag) as Entry;
  }

  members(shape: EnumShape): unknown[] {
    const byName = new Map([...shape.members].map(([name, value]) => [name.normalize("NFC"), value]));
    return this.#plan.members(shape.tag).map((name) => byName.get(name));
  }

  positions(shape: EnumShape): ReadonlyMap<unknown, number> {
    return new Map(this.members(shape).map((value, position) => [value, position]));
  }

  /** Returns the writer of a root: a message tag or a bare scalar. */
  writer(root: string): Write {
    const entry = this.#byTag.get(root);
    if (entry) return (value, slot) => entry.write(value, slot);
    const text = BARE[root as keyof typeof BARE];
    const form = root === "int" ? this.#bareInt : "";
    return writer(this, { kind: "scalar", text, form, zero: () => undefined });
  }

  #root(name: string): { number: number; write: Write } {
    let root = this.#roots.get(name);
    if (!root) {
      const number = this.#plan.root(name);
      if (number instanceof Error) throw number;
      root = { number, write: this.writer(name) };
      this.#roots.set(name, root);
    }
    return root;
  }

  /** Encodes a value as the body of a call would have it. */
  encode(root: string, json: boolean, value: unknown): Buffer | Error {
    const { number, write } = this.#root(root);
    const bytes = outgoing.send(write, value, (slot, text, length, extra) =>
      this.#plan.encode(number, json, slot, text, length, extra),
    );
    if (typeof bytes === "number") {
      const out = Buffer.allocUnsafe(bytes);
      incoming.bytes.copy(out, 0, 0, bytes);
      return out;
    }
    return bytes instanceof Error ? bytes : Buffer.from(bytes.buffer);
  }

  /** Decodes the body of a call. */
  decode(root: string, json: boolean, bytes: Uint8Array): unknown {
    return this.#plan.decode(this.#root(root).number, json, bytes);
  }
}
