/** Contract identity (`node-api.md` section 10). */
import { checked, engine } from "./engine.js";
import { type Plan, planOf } from "./plans.js";
import { type ServiceClass, type ServiceDefinition, requireService } from "./services.js";

/** A service as a program declares it: its class, or a contract without an implementation. */
export type Declared = ServiceClass | ServiceDefinition<object>;

/** Compiles a declared service, once. */
export function compiled(service: Declared): Plan {
  return planOf(engine().native, requireService(service));
}

/** Returns the contract id of a service, 64 hex digits, equal in every language. */
export function contractIdFromService(service: Declared): string {
  return compiled(service).native.contractId;
}

/** Returns the canonical bytes of the contract, which the id is the hash of. */
export function canonicalBytes(service: Declared): Uint8Array {
  return checked(compiled(service).native.canonical());
}
