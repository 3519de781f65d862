/** Objects of the program that core asks: stores of tokens, verifiers of instances. One that throws, or is late, denies. */
import { recordOfPairs } from "./context.js";

type Asked = Record<string, ((...args: unknown[]) => unknown) | undefined>;

/** Objects that may be asked, by the numbers that core has of them. */
export class Questions {
  readonly #objects = new Map<number, object>();
  #last = 0;

  /** Lets core ask an object until it is forgotten; returns its number. */
  add(object: object): number {
    this.#objects.set(++this.#last, object);
    return this.#last;
  }

  forget(number: number): void {
    this.#objects.delete(number);
  }

  /** Asks a method of an object. Anything but true or false is no answer. Core stops waiting by itself. */
  async ask(number: number, method: string, args: readonly unknown[]): Promise<boolean | undefined> {
    try {
      const object = this.#objects.get(number) as Asked | undefined;
      // Its server was closed meanwhile.
      if (!object) return undefined;
      const said = await object[method]?.(...args.map((arg) => (Array.isArray(arg) ? recordOfPairs(arg) : arg)));
      if (typeof said === "boolean") return said;
      warn(`gave ${said === null ? "null" : typeof said} instead of a boolean`);
    } catch (error) {
      // Its text may quote what was asked for.
      warn(`threw ${error instanceof Error ? error.name : typeof error}`);
    }
    return undefined;
  }
}

function warn(what: string): void {
  process.emitWarning(`a store or backend of the program ${what}`, { type: "AsterWarning" });
}
