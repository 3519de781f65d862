/** Contracts of running servers and clients, as functions (`node-api.md` section 10). */
import type { AsterClient } from "./client.js";
import { type Declared, compiled } from "./contract.js";
import { ServiceNotFoundError } from "./errors.js";
import { ContractManifest } from "./manifest.js";
import type { AsterServer } from "./server.js";

/**
 * Returns the manifest under which a server publishes a service. A started server publishes by itself, and again until it
 * has succeeded.
 *
 * Rejects with `ServiceNotFoundError` if the server does not offer this contract, `InvalidStateError` before its start.
 */
export async function publishContract(server: AsterServer, service: Declared): Promise<ContractManifest> {
  const { contractId } = compiled(service).native;
  if (!server.services.some((offered) => offered.contractId === contractId)) {
    const { name, version } = compiled(service).info;
    throw new ServiceNotFoundError(`the server does not offer this contract of '${name}' v${version}`, { kind: "not_found" });
  }
  return ContractManifest.fromService(service);
}

/** Returns the verified contract of a service that the server of a client offers; see `RegistryClient.fetchContract`. */
export function fetchContract(client: AsterClient, name: string, version?: number): Promise<ContractManifest> {
  return client.registry.fetchContract(name, version);
}
