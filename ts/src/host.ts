/** Functions that the native library calls to read and make JavaScript's own containers. */
import { makeError } from "./errors.js";
import type { Host } from "./native.js";

const DAY_MS = 86_400_000;

function isPlain(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype as object) === null;
}

export const host: Host = {
  makeError: makeError as Host["makeError"],
  setItems: (value) => (value instanceof Set ? [...(value as Set<unknown>)] : null),
  setOf: (items) => new Set(items),
  mapEntries: (value) => (value instanceof Map ? [...(value as Map<unknown, unknown>)].flat(1) : null),
  mapNew: () => new Map(),
  mapPut: (map, key, value) => map.size !== map.set(key, value).size,
  recordEntries: (value) => (isPlain(value) ? Object.entries(value).flat(1) : null),
  recordNew: () => Object.create(null) as Record<string, unknown>,
  recordPut(record, key, value) {
    if (Object.hasOwn(record, key)) return false;
    record[key] = value;
    return true;
  },
  dateDays(value) {
    if (typeof value !== "string" || !/^\d{4}-\d{2}-\d{2}$/.test(value)) return null;
    const time = Date.parse(`${value}T00:00:00Z`);
    // Days that a month does not have would silently become days of the next one.
    return Number.isNaN(time) || new Date(time).toISOString().slice(0, 10) !== value ? null : time / DAY_MS;
  },
  dateText: (days) => new Date(days * DAY_MS).toISOString().slice(0, 10),
};

/** Makes the functions of a message class: value to fields, fields to instance. */
export function recordFunctions(
  type: new () => object,
  properties: readonly string[],
): [open: (value: unknown) => unknown[] | string | null, make: (...values: unknown[]) => object] {
  const known = new Set(properties);
  const open = (value: unknown): unknown[] | string | null => {
    if (typeof value !== "object" || value === null || Array.isArray(value)) return null;
    const instance = value instanceof type;
    const keys = Object.keys(value);
    // Without own properties, only what is meant as a record is one: no Map, no Date, no Promise.
    if (keys.length === 0 && !instance && !isPlain(value)) return null;
    const unknown = keys.filter((key) => !known.has(key));
    if (unknown.length > 0) return JSON.stringify(unknown);
    const record = value as Record<string, unknown>;
    return properties.map((name) => (instance || Object.hasOwn(record, name) ? record[name] : undefined));
  };
  const make = (...values: unknown[]): object => {
    try {
      const made = new type() as Record<string, unknown>;
      for (let at = 0; at < properties.length; at++) {
        if (values[at] !== undefined) made[properties[at] as string] = values[at];
      }
      return made;
    } catch (error) {
      throw new Error(`${type.name} refused its values`, { cause: error });
    }
  };
  return [open, make];
}
