/** Configuration (`config.md`); core resolves, this hands over what the host has. */
import { checked, engine } from "./engine.js";
import type { NativeSettings } from "./native.js";

/** Settings by name; `config.md` section 2 says what each does. */
export interface ConfigFields {
  rootPubkey?: Uint8Array | string | null;
  rootPubkeyFile?: string | null;
  enrollmentCredentialFile?: string | null;
  allowAllConsumers?: boolean;
  allowAllProducers?: boolean;
  identityFile?: string | null;
  endpointAddr?: string | null;
  allowForeignChannels?: boolean;
  secretKey?: Uint8Array | string | null;
  relayMode?: string | null;
  bindAddr?: string | null;
  /** Folder in which a node keeps its key, its content and its registry. */
  storagePath?: string | null;
  clearIpTransports?: boolean;
  clearRelayTransports?: boolean;
  portmapperConfig?: string | null;
  proxyUrl?: string | null;
  proxyFromEnv?: boolean;
  exposeErrors?: boolean | null;
}

/** Fields that are set count as inline values. */
export interface AsterConfig extends ConfigFields {}

/** Inline values, and the environment if it was asked for. */
export class AsterConfig {
  #env: Record<string, string> = {};

  constructor(fields: ConfigFields = {}) {
    Object.assign(this, fields);
  }

  /** Takes over the variables of the environment as they are now. */
  static fromEnv(): AsterConfig {
    const config = new AsterConfig();
    for (const [name, value] of Object.entries(process.env)) {
      if (name.startsWith("ASTER_") && value !== undefined) config.#env[name] = value;
    }
    return config;
  }

  /** @internal Settles every field; `args` are options of a server or client. */
  static settle(config: AsterConfig | undefined, args: ConfigFields): NativeSettings {
    if (config !== undefined && !(config instanceof AsterConfig)) throw new TypeError("config: expected an AsterConfig");
    const used = config ?? AsterConfig.fromEnv();
    const [first, second, third] = [fields(args), fields(used), JSON.stringify(used.#env)];
    const settings = checked(engine().native.settings(first, second, third));
    for (const warning of settings.warnings()) process.emitWarning(warning, { type: "AsterWarning" });
    return settings;
  }
}

/** Writes fields under core's names. */
function fields(of: ConfigFields): string {
  const out: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(of)) {
    if (value === undefined) continue;
    const key = name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    out[key] = value instanceof Uint8Array ? Buffer.from(value).toString("hex") : value;
  }
  return JSON.stringify(out);
}
