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
  channels: Record<string, string>;
  pattern: string;
  serialization_modes: string[];
}

/** Reads core's summaries. */
export function summaries(announced: unknown): readonly ServiceSummary[] {
  return (announced as Announced[]).map((one) => ({
    name: one.name,
    version: one.version,
    contractId: one.contract_id,
    channels: one.channels,
    pattern: one.pattern,
    serializationModes: one.serialization_modes,
  }));
}
