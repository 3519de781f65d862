/** Manifests: contracts as documents that people and tools read (`contract.md` sections 7 and 8). */
import { existsSync, readFileSync } from "node:fs";
import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { type Declared, compiled } from "./contract.js";
import { refusing } from "./described.js";
import { FatalContractMismatchError, InvalidStateError } from "./errors.js";
import { type LiveContract, native } from "./native.js";

/** A field of a message, or a parameter. `type` is the type text; the other keys say the same in parts. */
export interface ManifestField {
  readonly name: string;
  readonly type: string;
  readonly kind: string;
  readonly nullable: boolean;
  readonly required: boolean;
  readonly default_kind: string;
  readonly default_value: unknown;
  readonly description: string;
  readonly tags: readonly string[];
  readonly [key: string]: unknown;
}

/** A method; `timeout` is in seconds. */
export interface ManifestMethod {
  readonly name: string;
  readonly pattern: string;
  readonly request_type: string;
  readonly response_type: string;
  readonly request_wire_tag: string;
  readonly response_wire_tag: string;
  readonly timeout: number | null;
  readonly idempotent: boolean;
  readonly fields: readonly ManifestField[];
  readonly response_fields: readonly ManifestField[];
  readonly request_style: string;
  readonly inline_params: readonly ManifestField[];
  readonly description: string;
  readonly [key: string]: unknown;
}

/** The document of a manifest, with the keys of `contract.md` section 7. */
export interface ManifestData {
  readonly service: string;
  readonly version: number;
  readonly contract_id: string;
  readonly methods: readonly ManifestMethod[];
  readonly [key: string]: unknown;
}

let saves = 0;

/** A manifest, which holds all that a contract id commits to, with documentation and defaults. */
export class ContractManifest {
  /** The parsed document. */
  readonly data: ManifestData;
  /** Whether core has computed the contract id anew. A legacy manifest cannot be verified: it is for display only. */
  readonly verified: boolean;
  readonly #text: string;

  private constructor(text: string, verified: boolean) {
    this.#text = text;
    this.data = JSON.parse(text) as ManifestData;
    this.verified = verified;
  }

  /** Returns the manifest of a declared service, without anything about sources or publication. */
  static fromService(service: Declared): ContractManifest {
    return new ContractManifest(native().manifestOf(compiled(service).description), true);
  }

  /**
   * Reads a manifest. Throws a `TypeError` for text that is none, and for a manifest that does not have the contract id
   * that it claims or is over a limit.
   */
  static fromJson(text: string): ContractManifest {
    if (typeof text !== "string") throw new TypeError("ContractManifest.fromJson: expected a text");
    const read = refusing(() => native().readManifest(text));
    return new ContractManifest(read.text, read.verified);
  }

  /** Returns the text of the file: two spaces of indentation, keys in their order, a final newline. */
  toJson(): string {
    return this.#text;
  }

  /** Writes the file whole or not at all, and makes its folder. */
  async save(path: string): Promise<void> {
    const target = resolve(path);
    const temporary = `${target}.${process.pid}-${++saves}`;
    await mkdir(dirname(target), { recursive: true });
    try {
      await writeFile(temporary, this.#text, { flag: "wx" });
      await rename(temporary, target);
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
  }

  get service(): string {
    return this.data.service;
  }

  get version(): number {
    return this.data.version;
  }

  /** The 64 hex digits that name the contract. */
  get contractId(): string {
    return this.data.contract_id;
  }

  /** The methods by name. */
  get methods(): readonly ManifestMethod[] {
    return this.data.methods;
  }
}

/**
 * Checks services against a file with one manifest or an array of them; `path` is `.aster/manifest.json` below the
 * working directory unless given, and need not exist then. Services that the file does not name pass.
 *
 * Throws a {@link FatalContractMismatchError} for a service with another contract id, an `InvalidStateError` for a file
 * that cannot be read or verified.
 */
export function verifyManifestOrFatal(services: Declared | readonly Declared[], path?: string): void {
  const given: readonly Declared[] = Array.isArray(services) ? (services as readonly Declared[]) : [services as Declared];
  const live = given.map((service) => {
    const { info, native: plan } = compiled(service);
    return { service: info.name, version: info.version, contractId: plan.contractId };
  });
  const file = resolve(path ?? ".aster/manifest.json");
  if (path !== undefined && !existsSync(file)) {
    throw new InvalidStateError(`Failed to read manifest at ${file}: there is no such file`, { kind: "state" });
  }
  checkLive(file, live);
}

/** Checks live contracts against a file, which may be absent; returns its text. */
export function checkLive(file: string, live: LiveContract[]): string | undefined {
  const fault = native().checkLiveContracts(file, live);
  if (!fault) return existsSync(file) ? readFileSync(file, "utf8") : undefined;
  const { text, expected, actual } = fault;
  if (!expected || actual === undefined) throw new InvalidStateError(text, { kind: "state" });
  const { service, version, contractId } = expected;
  throw new FatalContractMismatchError(text, { service, version, expected: contractId, actual, path: file });
}
