/**
 * Aster RPC for Node.js: peer-to-peer RPC in which the public key is the address.
 *
 * Importing does nothing; the native library is loaded at first use.
 */
export {
  type AdmissionRequest,
  type AdmissionResult,
  type ConsumerAdmissionResponse,
  type ConsumerDeskOptions,
  type IIDBackend,
  type OfflineOptions,
  type ProducerAdmissionResponse,
  type ProducerDeskOptions,
  type RuntimeOptions,
  admit,
  checkOffline,
  checkRuntime,
  handleAdmissionRpc,
  handleConsumerAdmissionRpc,
} from "./admission.js";
export { type Requirement, allOf, anyOf } from "./capability.js";
export type { CallOptions } from "./calls.js";
export type { Interceptor } from "./chain.js";
export { type Address, AsterClient, type ClientOptions, type StubOptions } from "./client.js";
export { AsterConfig, type ConfigFields } from "./config.js";
export { CallContext } from "./context.js";
export { type Declared, canonicalBytes, contractIdFromService } from "./contract.js";
export {
  type AnyCredential,
  ConsumerEnrollmentCredential,
  EnrollmentCredential,
  consumerCredFromJson,
  consumerCredToJson,
  generateRootKeypair,
  signCredential,
  verifySignature,
} from "./credentials.js";
export { type CallDefaults, withOptions } from "./defaults.js";
export { DelegatedGrant, type JsonObject } from "./delegated.js";
export type { DescribedField, DescribedType, Int64 } from "./described.js";
export { type DynamicEnum, type DynamicTypeOptions, DynamicTypeFactory } from "./dynamic-types.js";
export {
  AdmissionDeniedError,
  ConfigError,
  ConnectionLostError,
  FatalContractMismatchError,
  InvalidStateError,
  LimitExceededError,
  NativeLoadError,
  ServiceNotFoundError,
  StreamClosedError,
  TicketError,
  TrustDomainError,
} from "./errors.js";
export { type Field, type FieldLike, type FieldOptions, type Fields, type Infer, type ValueOf, f } from "./fields.js";
export { type Applied, type Filled, type TypeParameter, type WireGeneric, wireGeneric } from "./generics.js";
export { MeshEndpointHook } from "./hook.js";
export {
  type AuditEntry,
  AuditLogInterceptor,
  AuthInterceptor,
  type AuthOptions,
  CapabilityInterceptor,
  CircuitBreakerInterceptor,
  type CircuitBreakerOptions,
  CompressionInterceptor,
  DeadlineInterceptor,
  type ExponentialBackoff,
  MetricsInterceptor,
  RateLimitInterceptor,
  type RateLimitOptions,
  RetryInterceptor,
  type RetryPolicy,
} from "./interceptors.js";
export {
  ContractManifest,
  type ManifestData,
  type ManifestField,
  type ManifestMethod,
  verifyManifestOrFatal,
} from "./manifest.js";
export { ClockDriftConfig, type MeshState } from "./mesh.js";
export { type Metadata, WireType, type WireClass, type WireTypeOptions, wireType } from "./messages.js";
export { InMemoryNonceStore, NonceStore, type NonceStoreLike } from "./nonces.js";
export { type PeerAdmission, PeerAttributeStore } from "./peer-store.js";
export { type PlainMessage, ProxyClient, type ProxyCall, type ProxyMethod, SessionProxy } from "./proxies.js";
export { fetchContract, publishContract } from "./publication.js";
export {
  type ArtifactRef,
  type EndpointLease,
  RegistryACL,
  RegistryClient,
  RegistryPublisher,
  type ResolveOptions,
  type Strategy,
} from "./registry.js";
export { AsterError, RpcError, type RpcErrorOptions, statusName } from "./rpc-error.js";
export type { ServiceInput } from "./handlers.js";
export { AsterServer, type ServerOptions } from "./server.js";
export {
  type AnyMethod,
  BidiStream,
  ClientStream,
  type Handler,
  type Method,
  type Payload,
  Rpc,
  RpcPattern,
  RpcScope,
  ServerStream,
  Service,
  type ServiceClass,
  type ServiceDefinition,
  type ServiceLike,
  type ServiceOf,
  type ServiceOptions,
  defineService,
} from "./services.js";
export * from "./status-errors.js";
export { BidiChannel, ServerStreamCall } from "./stream-calls.js";
export type { Source } from "./streams.js";
export { type Call, ClientSession, type Closable, type Stub } from "./stubs.js";
export type { ServiceSummary } from "./summary.js";
export { SerializationMode, StatusCode, version } from "./tables.js";
