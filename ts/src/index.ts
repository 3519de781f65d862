/**
 * Aster RPC for Node.js: peer-to-peer RPC in which the public key is the address.
 *
 * This version has unary calls. Importing does nothing; the native library is loaded at first use.
 */
export { type Requirement, allOf, anyOf } from "./capability.js";
export { type Address, AsterClient, type CallOptions, type ClientOptions, type Stub } from "./client.js";
export { AsterConfig, type ConfigFields } from "./config.js";
export { CallContext } from "./context.js";
export { canonicalBytes, contractIdFromService } from "./contract.js";
export {
  AdmissionDeniedError,
  ConfigError,
  ConnectionLostError,
  InvalidStateError,
  LimitExceededError,
  NativeLoadError,
  ServiceNotFoundError,
  TicketError,
  TrustDomainError,
} from "./errors.js";
export { type Field, type FieldLike, type FieldOptions, type Fields, type Infer, type ValueOf, f } from "./fields.js";
export { type Applied, type Filled, type TypeParameter, type WireGeneric, wireGeneric } from "./generics.js";
export { type Metadata, WireType, type WireClass, type WireTypeOptions, wireType } from "./messages.js";
export { AsterError, RpcError, type RpcErrorOptions, statusName } from "./rpc-error.js";
export { AsterServer, type ServerOptions, type ServiceInput } from "./server.js";
export {
  type AnyMethod,
  type Handler,
  type Method,
  type Payload,
  Rpc,
  Service,
  type ServiceClass,
  type ServiceDefinition,
  type ServiceLike,
  type ServiceOf,
  type ServiceOptions,
  defineService,
} from "./services.js";
export * from "./status-errors.js";
export type { ServiceSummary } from "./summary.js";
export { SerializationMode, StatusCode, version } from "./tables.js";
