/**
 * The base classes of errors (`node-api.md` section 7). One class per status is in `status-errors.ts`, which is
 * generated; errors that are no calls are in `errors.ts`.
 */
import { type ErrorKind, StatusCode, errorKinds, retryableCodes } from "./tables.js";

/** Base of the errors of this package. */
export class AsterError extends Error {
  /** Kind of the failure, such as `"closed"`. */
  readonly kind: string;
  /** Stable number of the kind, the same in every language. */
  readonly number: number;

  constructor(message?: string, options?: { kind?: ErrorKind; cause?: unknown }) {
    super(message, options && "cause" in options ? { cause: options.cause } : undefined);
    this.kind = options?.kind ?? "internal";
    this.number = errorKinds[options?.kind ?? "internal"];
  }
}

Object.defineProperty(AsterError.prototype, "name", { value: "AsterError", writable: true, configurable: true });

/** Options of an {@link RpcError}. */
export interface RpcErrorOptions {
  cause?: unknown;
  /** Kind of the failure; `"rpc"` unless the value of a call did not fit its type. */
  kind?: "rpc" | "codec";
}

type StatusClass = new (message?: string, details?: Record<string, string>, options?: RpcErrorOptions) => RpcError;

/** Classes by status; `status-errors.ts` fills it. */
export const statusClasses = new Map<number, StatusClass>();

const names = new Map<number, string>(Object.entries(StatusCode).map(([name, code]) => [code, name]));

/** Returns the name of a status, `CODE_<n>` for a number without one. */
export function statusName(code: number): string {
  return names.get(code) ?? `CODE_${code}`;
}

/** A call that ended with a status other than OK. Throw one in a handler to answer with it. */
export class RpcError extends AsterError {
  /** Status number; numbers of newer peers and applications are kept. */
  readonly code: number;
  /** Strings for programs. */
  readonly details: Readonly<Record<string, string>>;

  constructor(code: number, message = "", details: Record<string, string> = {}, options: RpcErrorOptions = {}) {
    super(message, { ...options, kind: options.kind ?? "rpc" });
    if (!Number.isInteger(code)) throw new TypeError("RpcError: expected a whole number as code");
    this.code = code;
    this.details = Object.freeze({ ...details });
  }

  /** Name of the status. */
  get codeName(): string {
    return statusName(this.code);
  }

  /** Id of the call, where the server told it. */
  get callId(): string | undefined {
    return this.details["call_id"];
  }

  /** Whether an idempotent call may be sent again. */
  get retryable(): boolean {
    return retryableCodes.has(this.code);
  }

  override toString(): string {
    return `[${this.codeName}] ${this.message}`;
  }

  /** Makes the error of a status, of the class that belongs to it. */
  static fromStatus(
    code: number,
    message?: string,
    details?: Record<string, string>,
    options?: RpcErrorOptions,
  ): RpcError {
    const type = statusClasses.get(code);
    return type ? new type(message, details, options) : new RpcError(code, message, details, options);
  }

  /** Returns an RpcError as it is, anything else as UNKNOWN with the original as cause. */
  static from(error: unknown): RpcError {
    if (error instanceof RpcError) return error;
    return RpcError.fromStatus(StatusCode.UNKNOWN, messageOf(error), {}, { cause: error });
  }
}

Object.defineProperty(RpcError.prototype, "name", { value: "RpcError", writable: true, configurable: true });

/** Returns the text of anything that was thrown. */
export function messageOf(error: unknown): string {
  if (error instanceof Error) return error.message || error.name;
  try {
    return String(error);
  } catch {
    return "an exception without a text";
  }
}
