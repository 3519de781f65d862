/** Siblings of stubs and proxies whose calls have other defaults (`python-api.md` section 5, `with_options`). */
import type { CallOptions } from "./calls.js";
import { checkKeys } from "./services.js";
import { isSource } from "./streams.js";

/** What calls of a stub may have as default. */
export type CallDefaults = Pick<CallOptions, "timeout" | "metadata" | "serialization">;

type Sibling = (defaults: CallDefaults) => object;

/** What makes siblings, by stub. */
const siblings = new WeakMap<object, Sibling>();

/** Lets a stub have siblings. */
export function hasSiblings<S extends object>(stub: S, make: Sibling): S {
  siblings.set(stub, make);
  return stub;
}

/**
 * Returns a sibling of a stub or proxy whose calls start from other defaults; options of a call beat them, metadata is
 * joined. It shares everything else with the stub, its session too: closing one closes both.
 *
 * Throws a `TypeError` for what is no stub.
 */
export function withOptions<S extends object>(stub: S, options: CallDefaults): S {
  const make = siblings.get(stub);
  if (!make) throw new TypeError("withOptions: expected a stub or a proxy");
  if (typeof options !== "object" || options === null) throw new TypeError("withOptions: expected options");
  checkKeys("withOptions", options, ["timeout", "metadata", "serialization"]);
  const { metadata } = options;
  if (metadata !== undefined && (typeof metadata !== "object" || metadata === null)) {
    throw new TypeError("withOptions: expected metadata as an object of strings");
  }
  return make(options) as S;
}

/** Joins options: those that are given beat the defaults. What is no object is for the call to refuse. */
export function joined(defaults: CallOptions, given: unknown): CallOptions {
  if (given === undefined) return defaults;
  if (typeof given !== "object" || given === null) return given as CallOptions;
  const set = Object.fromEntries(Object.entries(given as CallOptions).filter(([, value]) => value !== undefined)) as CallOptions;
  const { metadata } = set;
  const both = typeof metadata === "object" && metadata !== null ? { metadata: { ...defaults.metadata, ...metadata } } : {};
  return { ...defaults, ...set, ...both };
}

/** Puts defaults into the arguments of a call; without a request they may come first. */
export function withDefaults(args: readonly unknown[], optionsFirst: boolean, defaults: CallOptions): unknown[] {
  const at = optionsFirst && !isSource(args[0]) ? 0 : 1;
  const out = [...args];
  out[at] = joined(defaults, args[at]);
  return out;
}
