/**
 * Values on their way between JavaScript and the native library: one crossing per message.
 *
 * A value is a slot of 8 bytes: a number, the place of a text (offset, length), the place of a block of slots, or a
 * mark. A message is a block with a slot per field in declared order, a list a block of its length and elements.
 * The format is private to this package and `bindings-node/src/convert`; bytes of calls are core's.
 */
import { messageOf } from "./rpc-error.js";

/** Upper halves of marks; as numbers they would be NaN, as texts and blocks far too long. */
export const NULL = 0xfffc0000;
export const ABSENT = 0xfffc0001;
export const BAD = 0xfffc0002;
/** Added to the length of texts that have characters beyond U+00FF. */
export const WIDE = 0x40000000;

/** Slots of the buffers that are kept. */
const KEPT = 8192;
/** Slots of one value; what needs more is beyond the body of a call. */
const MOST = 2 ** 25;

/** The value beside its slots, if there is something: buffer that is not the kept one, reasons of marks, bytes. */
export type Extra = [buffer: ArrayBuffer | undefined, reasons: string[], objects: unknown[]];

/** Writes a value that is not null into a slot. */
export type Write = (value: unknown, slot: number) => void;

/** The slots of one value after the other, on their way out. A getter that encodes meanwhile goes on behind them. */
export class Outgoing {
  readonly kept = new ArrayBuffer(KEPT * 8);
  F = new Float64Array(this.kept);
  U = new Uint32Array(this.kept);
  B = new BigInt64Array(this.kept);
  /** All texts of the value. */
  text = "";
  /** Code units of all texts. */
  length = 0;
  /** Messages that are open. */
  depth = 0;
  #next = 0;
  #room = KEPT;
  #big: ArrayBuffer | undefined;
  #reasons: string[] = [];
  #objects: unknown[] = [];

  /** Takes slots; `F`, `U` and `B` may be others afterwards. */
  reserve(count: number): number {
    const at = this.#next;
    this.#next = at + count;
    if (this.#next > this.#room) this.#grow();
    return at;
  }

  #grow(): void {
    if (this.#next > MOST) throw new RangeError("the value is too large");
    let room = this.#room;
    while (room < this.#next) room *= 2;
    const before = this.U;
    this.#use(new ArrayBuffer(room * 8));
    this.U.set(before);
  }

  #use(buffer: ArrayBuffer): void {
    this.F = new Float64Array(buffer);
    this.U = new Uint32Array(buffer);
    this.B = new BigInt64Array(buffer);
    this.#room = this.F.length;
    this.#big = buffer === this.kept ? undefined : buffer;
  }

  mark(slot: number, mark: number, low = 0): void {
    this.U[2 * slot] = low;
    this.U[2 * slot + 1] = mark;
  }

  /** Marks a value as refused; without a reason it is of another type. */
  refuse(slot: number, reason?: string): void {
    this.mark(slot, BAD, reason === undefined ? 0 : this.#reasons.push(reason));
  }

  /** Puts a value beside the slots. */
  keep(slot: number, value: unknown): void {
    this.F[slot] = this.#objects.push(value) - 1;
  }

  /** Writes a value and hands it to `use`, whose arguments hold while it runs. */
  send<R>(write: Write, value: unknown, use: (slot: number, text: string, length: number, extra: Extra | undefined) => R): R {
    const start = this.#next;
    const { text, length, depth } = this;
    const [reasons, objects] = [this.#reasons, this.#objects];
    this.text = "";
    this.length = this.depth = 0;
    if (start > 0) [this.#reasons, this.#objects] = [[], []];
    try {
      const slot = this.reserve(1);
      try {
        if (value === null || value === undefined) this.mark(slot, NULL);
        else write(value, slot);
      } catch (error) {
        this.refuse(slot, `host:${messageOf(error)}`);
      }
      const special = this.#big !== undefined || this.#reasons.length > 0 || this.#objects.length > 0;
      return use(slot, this.text, this.length, special ? [this.#big, this.#reasons, this.#objects] : undefined);
    } finally {
      this.#next = start;
      this.text = text;
      this.length = length;
      this.depth = depth;
      this.#reasons = reasons;
      this.#objects = objects;
      if (start === 0) this.#reset();
    }
  }

  /** Lets go of what a value needed beyond the usual. */
  #reset(): void {
    if (this.#big) this.#use(this.kept);
    if (this.#reasons.length > 0) this.#reasons = [];
    if (this.#objects.length > 0) this.#objects = [];
  }
}

/** Characters of a text that later texts are cut from; also what a kept text may keep alive. */
const WINDOW = 4096;
/** Longer texts are made one by one. */
const CUT = 256;

/** The slots of one value on its way in. */
export class Incoming {
  readonly kept = new ArrayBuffer(KEPT * 8);
  F = new Float64Array(this.kept);
  U = new Uint32Array(this.kept);
  B = new BigInt64Array(this.kept);
  /** Where the library leaves encoded bytes. */
  readonly bytes = Buffer.from(this.kept);
  objects: readonly unknown[] = [];
  #latin1 = "";
  #latin1At = 0;
  #wide = "";
  #wideAt = 0;
  /** All texts if they are long: first those of one byte per character, then from `#split` those of two. */
  #rest: Buffer | undefined;
  #split = 0;
  #busy = false;

  /** Reads a value with `read`; values that constructors decode meanwhile have buffers of their own. */
  take(
    read: (slot: number) => unknown,
    slot: number,
    latin1: string,
    wide: string | undefined,
    slots: ArrayBuffer | undefined,
    rest: ArrayBuffer | undefined,
    split: number | undefined,
    objects: unknown[] | undefined,
  ): unknown {
    const outer = this.#busy
      ? ([this.F, this.U, this.B, this.objects, this.#latin1, this.#latin1At, this.#wide, this.#wideAt, this.#rest, this.#split] as const)
      : undefined;
    this.#busy = true;
    if (slots) {
      this.F = new Float64Array(slots);
      this.U = new Uint32Array(slots);
      this.B = new BigInt64Array(slots);
    }
    this.#latin1 = latin1;
    this.#wide = wide ?? "";
    this.#latin1At = this.#wideAt = 0;
    this.#rest = rest && Buffer.from(rest);
    this.#split = split ?? 0;
    if (objects) this.objects = objects;
    try {
      return read(slot);
    } finally {
      this.#busy = outer !== undefined;
      if (outer) {
        [this.F, this.U, this.B, this.objects, this.#latin1, this.#latin1At, this.#wide, this.#wideAt, this.#rest, this.#split] = outer;
      } else {
        if (slots) this.#keep();
        this.#latin1 = this.#wide = "";
        this.#rest = undefined;
        if (objects) this.objects = [];
      }
    }
  }

  #keep(): void {
    this.F = new Float64Array(this.kept);
    this.U = new Uint32Array(this.kept);
    this.B = new BigInt64Array(this.kept);
  }

  /** Reads a text. */
  string(slot: number): string {
    const offset = this.U[2 * slot] as number;
    const length = this.U[2 * slot + 1] as number;
    if (length >= WIDE) return this.#far(offset, length - WIDE);
    const at = offset - this.#latin1At;
    if (at >= 0 && at + length <= this.#latin1.length) return this.#latin1.substring(at, at + length);
    return this.#next(offset, length);
  }

  /** Moves the window. */
  #next(offset: number, length: number): string {
    const rest = this.#rest as Buffer;
    if (length > CUT) return rest.toString("latin1", offset, offset + length);
    this.#latin1 = rest.toString("latin1", offset, Math.min(offset + WINDOW, rest.length));
    this.#latin1At = offset;
    return this.#latin1.substring(0, length);
  }

  #far(offset: number, length: number): string {
    const at = offset - this.#wideAt;
    if (at >= 0 && at + length <= this.#wide.length) return this.#wide.substring(at, at + length);
    const rest = this.#rest as Buffer;
    const from = this.#split + 2 * offset;
    if (length > CUT) return rest.toString("utf16le", from, from + 2 * length);
    this.#wide = rest.toString("utf16le", from, Math.min(from + 2 * WINDOW, rest.length));
    this.#wideAt = offset;
    return this.#wide.substring(0, length);
  }
}

export const outgoing = new Outgoing();
export const incoming = new Incoming();

/**
 * Compiles a function whose text names properties, so that the engine knows each access; undefined where making
 * code from text is forbidden.
 */
export function compile(names: readonly string[], values: readonly unknown[], body: string): unknown {
  try {
    return (new Function(...names, `"use strict";${body}`) as (...of: unknown[]) => unknown)(...values);
  } catch (error) {
    if (error instanceof EvalError) return undefined;
    throw error;
  }
}
