/** Errors that are no calls, and how failures of the native library become errors (`node-api.md` section 7). */
import { native } from "./native.js";
import { AsterError, RpcError } from "./rpc-error.js";
import "./status-errors.js";
import type { ErrorKind } from "./tables.js";

interface ErrorOptions {
  kind?: ErrorKind;
  cause?: unknown;
}

/** The server refused admission; it never says why. Final: trying again with the same credential is of no use. */
export class AdmissionDeniedError extends AsterError {
  /** Whether a credential was presented. */
  readonly hadCredential: boolean;
  /** File of the credential, or what stands for one; null without one. */
  readonly credentialFile: string | null;
  /** Endpoint id of this client. */
  readonly ourEndpointId: string;
  /** Address that was dialled. */
  readonly serverAddress: string;

  constructor(
    message: string,
    about: { hadCredential?: boolean; credentialFile?: string | null; ourEndpointId?: string; serverAddress?: string } = {},
    options?: { cause?: unknown },
  ) {
    super(message, { ...options, kind: "admission_denied" });
    this.hadCredential = about.hadCredential ?? false;
    this.credentialFile = about.credentialFile ?? null;
    this.ourEndpointId = about.ourEndpointId ?? "";
    this.serverAddress = about.serverAddress ?? "";
  }

  /** Says what to do about it, in a few lines (`trust.md` section 14). */
  formatHint(): string {
    return native().denialHint(this.hadCredential ? (this.credentialFile ?? "") : null, this.ourEndpointId);
  }
}

/** The server trusts another root key, or an admission document is malformed. */
export class TrustDomainError extends AsterError {}
/** The service, its version or its channel is not offered. */
export class ServiceNotFoundError extends AsterError {}
/** The peer is unreachable, or was lost outside a call. */
export class ConnectionLostError extends AsterError {}
/** Not possible in this state: not started, not connected, closed. */
export class InvalidStateError extends AsterError {}

/** A service is not the one that its manifest describes. */
export class FatalContractMismatchError extends InvalidStateError {
  readonly service: string;
  readonly version: number;
  /** Contract id of the manifest. */
  readonly expected: string;
  /** Contract id of the program. */
  readonly actual: string;
  /** The manifest file. */
  readonly path: string;

  constructor(
    message: string,
    about: { service: string; version: number; expected: string; actual: string; path: string },
    options?: { cause?: unknown },
  ) {
    super(message, { ...options, kind: "contract" });
    this.service = about.service;
    this.version = about.version;
    this.expected = about.expected;
    this.actual = about.actual;
    this.path = about.path;
  }
}

/** Sending on a call whose sending side is closed, by its caller or because the call has ended. */
export class StreamClosedError extends AsterError {
  constructor(message?: string, options?: { cause?: unknown }) {
    super(message, { ...options, kind: "closed" });
  }
}

/** A setting is wrong. */
export class ConfigError extends AsterError {}
/** Text that is no address. */
export class TicketError extends AsterError {}

/** A limit of this process was hit. */
export class LimitExceededError extends AsterError {
  /** What is limited. */
  readonly field: string;
  readonly limit: number;
  readonly actual: number;

  constructor(message: string, about: { field: string; limit: number; actual: number }, options?: { cause?: unknown }) {
    super(message, { ...options, kind: "limit" });
    this.field = about.field;
    this.limit = about.limit;
    this.actual = about.actual;
  }
}

/** The native library could not be loaded. */
export class NativeLoadError extends AsterError {
  /** Files that were looked for, in order, and why each did not serve. */
  readonly tried: readonly { path: string; reason: string }[];
  /** Name of the platform. */
  readonly triple: string;

  constructor(message: string, tried: { path: string; reason: string }[], triple: string, options?: { cause?: unknown }) {
    super(message, { ...options, kind: "io" });
    this.tried = tried;
    this.triple = triple;
  }
}

const byKind: Record<string, new (message?: string, options?: ErrorOptions) => AsterError> = {
  credential: TrustDomainError,
  not_found: ServiceNotFoundError,
  connect: ConnectionLostError,
  state: InvalidStateError,
  closed: InvalidStateError,
  config: ConfigError,
  address: TicketError,
};

for (const [name, type] of Object.entries({
  AdmissionDeniedError,
  TrustDomainError,
  ServiceNotFoundError,
  ConnectionLostError,
  InvalidStateError,
  FatalContractMismatchError,
  StreamClosedError,
  ConfigError,
  TicketError,
  LimitExceededError,
  NativeLoadError,
})) {
  Object.defineProperty(type.prototype, "name", { value: name, writable: true, configurable: true });
}

/** Makes the error of a native failure. `status` is -1 without one; `details` are keys and values in turn. */
export function makeError(
  _number: number,
  kind: ErrorKind,
  status: number,
  message: string,
  details: string[],
  cause: Error | undefined,
): Error {
  const record: Record<string, string> = {};
  for (let at = 0; at + 1 < details.length; at += 2) record[details[at] as string] = details[at + 1] as string;
  const options: ErrorOptions = cause === undefined ? { kind } : { kind, cause };
  switch (kind) {
    case "rpc":
    case "codec":
      return RpcError.fromStatus(status, message, record, { ...options, kind });
    case "admission_denied":
      return new AdmissionDeniedError(message, { ourEndpointId: record["our_endpoint_id"] }, options);
    case "limit": {
      if (status >= 0) return RpcError.fromStatus(status, message, record, { cause });
      const about = { field: record["field"] ?? "", limit: Number(record["limit"]), actual: Number(record["actual"]) };
      return new LimitExceededError(message, about, options);
    }
    // A declaration or an argument is wrong: a mistake in the program.
    case "contract":
    case "invalid_argument":
      return new TypeError(message, { cause: new AsterError(message, options) });
    default:
      return new (byKind[kind] ?? AsterError)(message, options);
  }
}
