/** Contract identity (`node-api.md` section 10). */
import { checked, engine } from "./engine.js";
import type { ServiceDefinition, ServiceClass } from "./services.js";
import { requireService } from "./services.js";
import { planOf } from "./plans.js";

/** Returns the contract id of a service, 64 hex digits, equal in every language. */
export function contractIdFromService(service: ServiceClass | ServiceDefinition<object>): string {
  return planOf(engine().native, requireService(service)).native.contractId;
}

/** Returns the canonical bytes of the contract, which the id is the hash of. */
export function canonicalBytes(service: ServiceClass | ServiceDefinition<object>): Uint8Array {
  return checked(planOf(engine().native, requireService(service)).native.canonical());
}
