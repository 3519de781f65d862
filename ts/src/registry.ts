/** Registries: what servers publish, and what clients find (`registry.md`). All of it is core's. */
import { type Engine, checked } from "./engine.js";
import { InvalidStateError } from "./errors.js";
import { ContractManifest } from "./manifest.js";
import type { NativeClient, NativeClientRegistry, NativeServerRegistry } from "./native.js";
import { checkKeys } from "./services.js";

/** An endpoint that serves a contract for some seconds. Times are milliseconds since 1970. */
export interface EndpointLease {
  readonly endpointId: string;
  readonly contractId: string;
  readonly service: string;
  readonly version: number;
  readonly leaseExpiresEpochMs: number;
  readonly leaseSeq: number;
  readonly alpn: string;
  readonly serializationModes: readonly string[];
  readonly featureFlags: readonly string[];
  /** Where it can be dialled. */
  readonly relayUrl: string | null;
  readonly directAddrs: readonly string[];
  /** Running calls by capacity. */
  readonly load: number | null;
  readonly languageRuntime: string;
  readonly asterVersion: string;
  readonly policyRealm: string | null;
  /** `starting`, `ready`, `degraded` or `draining`. */
  readonly healthStatus: string;
  readonly tags: readonly string[];
  readonly updatedAtEpochMs: number;
  readonly leaseEpoch: number;
}

/** Where the collection of a contract is. Times are milliseconds since 1970. */
export interface ArtifactRef {
  readonly contractId: string;
  readonly collectionHash: string;
  readonly providerEndpointId: string | null;
  readonly relayUrl: string | null;
  readonly ticket: string | null;
  readonly publishedBy: string;
  readonly publishedAtEpochMs: number;
  readonly collectionFormat: string;
}

/** How endpoints are ordered: each call one further, those with less to do first, any order. */
export type Strategy = "round_robin" | "least_load" | "random";

/** Which contract is meant, and which of its endpoints may be used. */
export interface ResolveOptions {
  /** Default: the highest. */
  version?: number;
  channel?: string;
  tag?: string;
  contractId?: string;
  /** Default: `round_robin`. */
  strategy?: Strategy;
  /** Tokens of modes of which one must be common; default: any. */
  modes?: readonly string[];
  /** Endpoints of other realms are left out. */
  realm?: string;
}

const RESOLVE_OPTIONS = ["version", "channel", "tag", "contractId", "strategy", "modes", "realm"];

/** Reads a record of core: members in camelCase. */
export function recordOf<T>(text: string): T {
  const members = Object.entries(JSON.parse(text) as Record<string, unknown>);
  const camel = (name: string): string => name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
  return Object.freeze(Object.fromEntries(members.map(([name, value]) => [camel(name), value]))) as T;
}

/** Changes of a registry: one item whenever it may have changed; changes that nobody waits for are one. */
class Changes implements AsyncIterableIterator<void> {
  readonly #engine: Engine;
  readonly #join: () => Promise<NativeClientRegistry>;
  #seen = 0;
  #operation = 0;
  #over = false;
  #reads: Promise<unknown> = Promise.resolve();

  constructor(of: Engine, join: () => Promise<NativeClientRegistry>) {
    this.#engine = of;
    this.#join = join;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<void, undefined>> {
    const read = this.#reads.then(() => this.#next());
    this.#reads = read.catch(() => {});
    return read;
  }

  async #next(): Promise<IteratorResult<void, undefined>> {
    if (this.#over) return { done: true, value: undefined };
    const joined = await this.#join();
    try {
      const changed = this.#engine.operate(
        (op) => joined.changed(op, this.#seen),
        (op) => (this.#operation = op),
      );
      if (this.#over) this.#engine.native.abandon(this.#operation);
      this.#seen = (await changed) as number;
      return { done: false, value: undefined };
    } catch (error) {
      const left = this.#over || error instanceof InvalidStateError;
      this.#over = true;
      if (left) return { done: true, value: undefined };
      throw error;
    }
  }

  /** Ends the iteration; a read that waits finds the end. */
  async return(): Promise<IteratorResult<void, undefined>> {
    this.#over = true;
    this.#engine.native.abandon(this.#operation);
    return { done: true, value: undefined };
  }
}

/**
 * The registry of the server that admitted a client: joined at the first use, followed until the client closes.
 *
 * Every promise rejects with `ServiceNotFoundError` if the server has no registry.
 */
export class RegistryClient {
  readonly #engine: Engine;
  readonly #native: NativeClient;
  #joined: Promise<NativeClientRegistry> | undefined;

  /** @internal */
  constructor(of: Engine, native: NativeClient) {
    this.#engine = of;
    this.#native = native;
  }

  #join(): Promise<NativeClientRegistry> {
    if (!this.#joined) {
      const joined = this.#engine.operate((op) => this.#native.registry(op)) as Promise<NativeClientRegistry>;
      this.#joined = joined;
      // A registry that could not be joined may be asked for again.
      joined.catch(() => (this.#joined = undefined));
    }
    return this.#joined;
  }

  /** Returns the best endpoint for a service: the first of {@link resolveAll}. */
  async resolve(service: string, options?: ResolveOptions): Promise<EndpointLease> {
    return (await this.resolveAll(service, options))[0] as EndpointLease;
  }

  /**
   * Returns the endpoints that serve a contract and can be used now, the best first. The contract is `contractId`, else
   * that of `tag`, `channel`, `version`, or of the highest version. In its first three seconds it waits for the document.
   *
   * Rejects with `ServiceNotFoundError` if there is none, a `TypeError` for another strategy.
   */
  async resolveAll(service: string, options: ResolveOptions = {}): Promise<EndpointLease[]> {
    checkKeys("resolve", options, RESOLVE_OPTIONS);
    const wish = wishOf(service, options);
    const joined = await this.#join();
    const texts = (await this.#engine.operate((op) => joined.resolveAll(op, wish))) as string[];
    return texts.map((text) => recordOf<EndpointLease>(text));
  }

  /** Returns every endpoint of a contract, with the reason why it is not used, if it is not. */
  async explain(service: string, options: ResolveOptions = {}): Promise<{ endpointId: string; dropped: string | null }[]> {
    checkKeys("explain", options, RESOLVE_OPTIONS);
    const joined = await this.#join();
    const pairs = checked(joined.explain(wishOf(service, options)));
    return pairs.flatMap((endpointId, at) => (at % 2 === 0 ? [{ endpointId, dropped: pairs[at + 1] || null }] : []));
  }

  /**
   * Returns the verified manifest of a service that the server offers; without a version of the highest. `timeout` is in
   * milliseconds (default 6000).
   *
   * Rejects with `ServiceNotFoundError` if it is not offered or its contract is not to be had in time.
   */
  async fetchContract(service: string, version?: number, options: { timeout?: number } = {}): Promise<ContractManifest> {
    checkKeys("fetchContract", options, ["timeout"]);
    const text = await this.#engine.operate((op) => this.#native.contract(op, service, version, options.timeout));
    return ContractManifest.fromJson(text as string);
  }

  /** Returns the artefacts of all contracts that are published. Waits for the document in its first three seconds. */
  async artifacts(): Promise<ArtifactRef[]> {
    const joined = await this.#join();
    const found = await this.#engine.operate((op) => joined.artifacts(op));
    return (found as string[]).map((text) => recordOf<ArtifactRef>(text));
  }

  /** Iterates over changes, until the client closes: an item whenever the registry may have changed. */
  onChange(): AsyncIterableIterator<void> {
    return new Changes(this.#engine, () => this.#join());
  }
}

function wishOf(service: string, options: ResolveOptions): ResolveOptions & { service: string } {
  if (typeof service !== "string") throw new TypeError("expected the name of a service");
  return { ...options, service };
}

/** The registry in which a server publishes; publication itself goes on by itself. */
export class RegistryPublisher {
  readonly #engine: Engine;
  readonly #native: NativeServerRegistry;

  /** @internal */
  constructor(of: Engine, native: NativeServerRegistry) {
    this.#engine = of;
    this.#native = native;
  }

  /** Id of the registry's document, 64 hex digits. */
  get namespace(): string {
    return this.#native.namespace;
  }

  /** Id of the author as whom the server writes, 64 hex digits. */
  get authorId(): string {
    return this.#native.authorId;
  }

  /** Whether something could not be published yet. It is tried again; the log says what it is. */
  get isFailing(): boolean {
    return this.#native.isFailing;
  }

  /** Returns a ticket to read the registry, or to write in it, which is a secret: another server's `registryTicket`. */
  async share(mode: "read" | "write" = "read"): Promise<string> {
    return (await this.#engine.operate((op) => this.#native.share(op, mode))) as string;
  }

  /** Lets consumers believe what another author writes. Only the registry's creator and its admins may. */
  async allowAuthor(authorId: string): Promise<void> {
    await this.#engine.operate((op) => this.#native.allowAuthor(op, authorId));
  }

  /** Says in the leases how the server feels. */
  setHealth(health: "ready" | "degraded"): void {
    checked(this.#native.setHealth(health));
  }
}

/** The access list of a registry, as a server that may change it sees it. */
export class RegistryACL {
  readonly #publisher: RegistryPublisher;

  constructor(publisher: RegistryPublisher) {
    this.#publisher = publisher;
  }

  /** Lets consumers believe what another author writes, as {@link RegistryPublisher.allowAuthor} does. */
  async addWriter(authorId: string): Promise<void> {
    await this.#publisher.allowAuthor(authorId);
  }
}
