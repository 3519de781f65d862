/** Services as a server announces them. */

/** A service that a server offers. */
export interface ServiceSummary {
  readonly name: string;
  readonly version: number;
  readonly contractId: string;
  /** Addresses by channel name. */
  readonly channels: Readonly<Record<string, string>>;
  /** `shared` or `session`. */
  readonly pattern: string;
  readonly serializationModes: readonly string[];
}

interface Announced {
  name: string;
  version: number;
  contract_id: string;
  channels: Readonly<Record<string, string>>;
  pattern: string;
  serialization_modes: readonly string[];
}

/** Writes summaries as core has them. */
export function announced(services: readonly ServiceSummary[]): unknown {
  return services.map((one): Announced => ({
    name: one.name,
    version: one.version,
    contract_id: one.contractId,
    channels: one.channels,
    pattern: one.pattern,
    serialization_modes: one.serializationModes,
  }));
}

/** Reads core's summaries. */
export function summaries(told: unknown): readonly ServiceSummary[] {
  return (told as Announced[]).map((one) => ({
    name: one.name,
    version: one.version,
    contractId: one.contract_id,
    channels: one.channels,
    pattern: one.pattern,
    serializationModes: one.serialization_modes,
  }));
}
