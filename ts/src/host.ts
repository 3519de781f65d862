/** What JavaScript's own objects are as values. */

const DAY_MS = 86_400_000;

/** Tells whether a value is an object without a class. */
export function isPlain(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype as object) === null;
}

/** Returns the days since 1970 of a text `YYYY-MM-DD`; null for anything else. */
export function dateDays(value: unknown): number | null {
  if (typeof value !== "string" || !/^\d{4}-\d{2}-\d{2}$/.test(value)) return null;
  const time = Date.parse(`${value}T00:00:00Z`);
  // Days that a month does not have would silently become days of the next one.
  return Number.isNaN(time) || new Date(time).toISOString().slice(0, 10) !== value ? null : time / DAY_MS;
}

/** Returns the text of days since 1970. */
export function dateText(days: number): string {
  return new Date(days * DAY_MS).toISOString().slice(0, 10);
}
