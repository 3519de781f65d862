/** Configuration (`config.md`); core resolves, this hands over what the host has. */
import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { checked, engine } from "./engine.js";
import type { NativeSettings } from "./native.js";

/** Settings by name; `config.md` section 2 says what each does. */
export interface ConfigFields {
  rootPubkey?: Uint8Array | string | null;
  rootPubkeyFile?: string | null;
  enrollmentCredentialFile?: string | null;
  /** A signed document of the instance, for credentials that ask for one. */
  enrollmentCredentialIid?: string | null;
  allowAllConsumers?: boolean;
  allowAllProducers?: boolean;
  requireBoundCredentials?: boolean;
  /** Seconds that an admission holds at most. */
  peerTtlS?: number;
  iidAwsCertificates?: readonly string[];
  iidGcpJwks?: string | null;
  iidAzureJwks?: string | null;
  iidAzureTenants?: readonly string[];
  iidAzureAudience?: string;
  meshBootstrap?: readonly string[];
  meshStateDir?: string | null;
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

/** The variables of this library as they are now. */
export function environment(): Record<string, string> {
  const ours = Object.entries(process.env).filter(([name, value]) => name.startsWith("ASTER_") && value !== undefined);
  return Object.fromEntries(ours) as Record<string, string>;
}

/** Inline values, and environment and file if they were asked for. */
export class AsterConfig {
  #env: Record<string, string> = {};
  #toml: string[] | undefined;

  constructor(fields: ConfigFields = {}) {
    Object.assign(this, fields);
  }

  /** Takes over the variables of the environment as they are now. */
  static fromEnv(): AsterConfig {
    const config = new AsterConfig();
    config.#env = environment();
    return config;
  }

  /** Reads a TOML file, and takes over the environment as {@link fromEnv} does. Throws what reading the file throws. */
  static fromFile(path: string): AsterConfig {
    const config = AsterConfig.fromEnv();
    config.#toml = [path, readFileSync(path.replace(/^~(?=\/|$)/, homedir()), "utf8")];
    return config;
  }

  /**
   * @internal Settles every field for a server or client. `args` are their options, `peer` names the entry of the
   * identity file.
   */
  static settle(
    config: AsterConfig | undefined,
    role: "producer" | "consumer",
    args: ConfigFields,
    peer?: string,
  ): NativeSettings {
    if (config !== undefined && !(config instanceof AsterConfig)) throw new TypeError("config: expected an AsterConfig");
    const used = config ?? AsterConfig.fromEnv();
    const told = { arguments: fields(args), inline: fields(used), env: JSON.stringify(used.#env), toml: used.#toml, role, peer };
    const settings = checked(engine().native.settings(told));
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
