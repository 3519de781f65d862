/** Contracts of services that a program has no classes for: fetched, verified and compiled at first use. */
import { type DynamicPlan, dynamicPlan } from "./dynamic-plan.js";
import type { Int64 } from "./described.js";
import type { NativeEngine } from "./native.js";
import type { ServiceSummary } from "./summary.js";

/** Fetches the manifest of an advertised contract; undefined if it cannot be had. */
export type FetchManifest = (summary: ServiceSummary) => Promise<string | undefined>;

/** What is known of the contract of one service. */
export interface Known {
  /** Undefined: not there yet; null: it cannot be had, so JSON is used. */
  plan: DynamicPlan | null | undefined;
  readonly ready: Promise<void>;
}

/** The contracts that a client has asked for. One that could not be had is asked for again by the next proxy. */
export class Discovery {
  readonly #engine: NativeEngine;
  readonly #fetch: FetchManifest;
  readonly #known = new Map<string, Known>();

  constructor(engine: NativeEngine, fetch: FetchManifest) {
    this.#engine = engine;
    this.#fetch = fetch;
  }

  /** Returns what is known of a service, and finds it out. */
  of(summary: ServiceSummary, int64: Int64): Known {
    const key = `${summary.contractId} ${int64}`;
    let known = this.#known.get(key);
    if (!known) {
      known = this.#find(summary, int64);
      this.#known.set(key, known);
      const forget = (): void => void this.#known.delete(key);
      known.ready.then(() => known?.plan ?? forget(), forget);
    }
    return known;
  }

  #find(summary: ServiceSummary, int64: Int64): Known {
    const known: { plan: Known["plan"]; ready: Promise<void> } = { plan: undefined, ready: Promise.resolve() };
    known.ready = (async () => {
      const text = await this.#fetch(summary);
      known.plan = text === undefined ? null : this.#compiled(summary, text, int64);
    })();
    return known;
  }

  #compiled(summary: ServiceSummary, manifest: string, int64: Int64): DynamicPlan {
    const plan = dynamicPlan(this.#engine, manifest, int64);
    const { contractId } = plan.native;
    if (contractId !== summary.contractId) {
      throw new TypeError(`the manifest of '${summary.name}' has the contract id ${contractId}, not ${summary.contractId}`);
    }
    return plan;
  }
}
