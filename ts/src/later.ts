/** Streaming calls that cannot be opened yet, or not at all. */
import { CancelledError } from "./status-errors.js";
import type { Conversation } from "./stream-calls.js";

/** A streaming call that was refused before it was opened: whoever reads or sends is told why. */
class Refused implements Conversation {
  readonly over = true;
  readonly #error: unknown;
  #reads: number;

  /** `reads`: how many reads are told; later ones find the end. */
  constructor(error: unknown, reads = Infinity) {
    this.#error = error;
    this.#reads = reads;
  }

  next(): Promise<IteratorResult<unknown, undefined>> {
    return this.#reads-- > 0 ? Promise.reject(this.#error as Error) : OVER.next();
  }

  send(): Promise<never> {
    return Promise.reject(this.#error as Error);
  }

  closeSend(): void {}
  cancel(): void {}
  abort(): void {}
}

/** A streaming call that its reader did not want any more. */
const OVER: Conversation = {
  over: true,
  next: () => Promise.resolve({ done: true, value: undefined }),
  send: () => false,
  closeSend() {},
  cancel() {},
  abort() {},
};

/** Stands for a streaming call until it can be opened; what happens meanwhile happens to the call, in order. */
export class Later implements Conversation {
  readonly #opened: Promise<Conversation>;
  #made: Conversation | undefined;
  #reads = 0;
  #stop: (instead: Conversation) => void = () => {};

  /** `open` makes the call once `ready` is. What either fails with is what the call has failed with. */
  constructor(ready: Promise<unknown>, open: () => Conversation) {
    const stopped = new Promise<Conversation>((resolve) => (this.#stop = resolve));
    const opened = ready.then(() => this.#made ?? open()).catch((error: unknown) => new Refused(error));
    this.#opened = Promise.race([stopped, opened]).then((made) => (this.#made ??= made));
  }

  get over(): boolean {
    return this.#made?.over ?? false;
  }

  async next(keeper?: object): Promise<IteratorResult<unknown, undefined>> {
    this.#reads++;
    try {
      return await (await this.#opened).next(keeper);
    } finally {
      this.#reads--;
    }
  }

  async send(value: unknown): Promise<boolean> {
    return (await this.#opened).send(value);
  }

  closeSend(): void {
    void this.#opened.then((made) => made.closeSend());
  }

  cancel(): void {
    if (this.#made) return this.#made.cancel();
    // Those who read meanwhile are told.
    this.#end(this.#reads > 0 ? new Refused(new CancelledError("cancelled"), this.#reads) : OVER);
  }

  abort(error: unknown): void {
    if (this.#made) return this.#made.abort(error);
    this.#end(new Refused(error));
  }

  #end(instead: Conversation): void {
    this.#made = instead;
    this.#stop(instead);
  }
}
