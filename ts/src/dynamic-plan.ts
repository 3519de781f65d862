/** Services compiled from a manifest, with plain objects as messages (`node-api.md` section 6, "ProxyClient"). */
import { Codec, type MessageShape } from "./codec.js";
import { type DescribedType, type Int64, Shapes, describedBy, formOf, integerForm, plainClass } from "./described.js";
import type { Shape } from "./fields.js";
import type { NativeEngine, NativePlan } from "./native.js";
import { checked } from "./engine.js";
import type { RpcPattern } from "./services.js";
import type { Write } from "./tape.js";

/** A method without classes. */
export interface DynamicMethod {
  readonly name: string;
  readonly pattern: RpcPattern;
  readonly idempotent: boolean;
  /** Milliseconds that the method declares. */
  readonly timeout: number | undefined;
  /** Whether its request is a message, not a bare scalar. */
  readonly takesMessage: boolean;
  readonly write: Write;
}

/** A service without classes. */
export interface DynamicPlan {
  readonly native: NativePlan;
  readonly codec: Codec;
  readonly methods: ReadonlyMap<string, DynamicMethod>;
}

/**
 * Compiles the service of a manifest, which core verifies. Messages are plain objects with the names of the contract:
 * enums are names of members, bytes `Uint8Array`, timestamps `Date` (rounded to milliseconds when read), dates and
 * decimals text, durations milliseconds, sets `Set` (or an array when written), maps with text keys objects, other maps
 * `Map`; 64-bit integers are as `int64` says.
 *
 * Throws a `TypeError` for a manifest that cannot be verified.
 */
export function dynamicPlan(engine: NativeEngine, manifest: string, int64: Int64 = "auto"): DynamicPlan {
  const [text, described] = describedBy(manifest);
  const types = new Map(Object.entries(described.types));
  const messages = messageShapes(types, int64);
  const codec = new Codec(messages, integerForm(int64));
  const forms = Object.fromEntries(messages.map(({ tag, shapes }) => [tag, shapes.map(formOf)]));
  const plain = int64 === "auto" ? "narrow" : "wide";
  const declared = JSON.stringify({ messages: messages.map(({ tag }) => tag), forms, plain });
  const native = checked(engine.plan(text, declared, codec.build));
  codec.join(native);
  const methods = described.methods.map(({ name, pattern, request, idempotent = false, timeout_s: seconds }) => {
    const timeout = typeof seconds === "number" ? seconds * 1000 : undefined;
    const takesMessage = types.has(request);
    return [name, { name, pattern, idempotent, timeout, takesMessage, write: codec.writer(request) }] as const;
  });
  return { native, codec, methods: new Map(methods) };
}

function messageShapes(types: ReadonlyMap<string, DescribedType>, int64: Int64): MessageShape[] {
  const named = new Map<string, Shape>();
  const messages: { tag: string; fields: NonNullable<DescribedType["fields"]>; type: ReturnType<typeof plainClass> }[] = [];
  for (const [tag, { fields, enum: members }] of types) {
    if (fields) {
      const type = plainClass(tag, fields);
      messages.push({ tag, fields, type });
      named.set(tag, { kind: "message", resolve: () => type });
    } else {
      const names = members.map((member) => (typeof member === "string" ? member : member[0]));
      named.set(tag, { kind: "enum", tag, members: new Map(names.map((name) => [name, name])) });
    }
  }
  // Core has checked that every name has a type.
  const shapes = new Shapes(int64, (tag) => named.get(tag) as Shape);
  return messages.map(({ tag, fields, type }) => ({
    tag,
    type,
    properties: fields.map((field) => field.name),
    // What only the other program can compute is null here.
    shapes: fields.map((field) => absentable(shapes.of(field.type), field.factory === true)),
  }));
}

function absentable(shape: Shape, absent: boolean): Shape {
  return absent && shape.kind !== "optional" ? { kind: "optional", item: shape } : shape;
}
