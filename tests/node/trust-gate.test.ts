/** When the gate is open (`trust.md` section 5): group `gate` of the vectors through every source of a server. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import {
  AdmissionDeniedError,
  type AnyCredential,
  AsterClient,
  AsterConfig,
  AsterError,
  AsterServer,
  AuthInterceptor,
  ConfigError,
  Rpc,
  type ServerOptions,
  Service,
  f,
  wireType,
} from "@aster/rpc";
import { local } from "./support.js";
import { Vault, entryTable, folder, hexOf, keyOf, madeOf, nodeTable, trust } from "./trust-support.js";

const ROOT = keyOf("root").publicKey;
const { gate } = trust;

/** Returns a credential of the vectors. */
function signed(name: string): AnyCredential {
  const found = trust.credentials.find((one) => one.name === name);
  assert.ok(found, name);
  return madeOf(found);
}
const node = nodeTable(keyOf("node").seed);
const producer = entryTable("billing", signed("producer-billing"));
const consumerOf = (name: string, root = hexOf(ROOT)): string => entryTable(name, signed("policy-unbound")).replace(hexOf(ROOT), root);

/** Collects what each source says. */
class Places {
  readonly options: Partial<ServerOptions> = {};
  readonly inline: Partial<AsterConfig> = {};
  readonly env: Record<string, string> = {};
  readonly toml: Record<string, string> = {};

  readonly folder: string;

  constructor(t: TestContext) {
    this.folder = folder(t);
  }

  file(name: string, text: string): string {
    const path = join(this.folder, name);
    writeFileSync(path, text, { mode: 0o600 });
    return path;
  }

  identity(...parts: string[]): void {
    this.options.identity = this.file("x.id", node + parts.join(""));
  }

  root(where: string): void {
    const root = (): string => this.file("root.pub", hexOf(ROOT));
    const sources: Record<string, () => unknown> = {
      none: () => {},
      kwarg: () => (this.options.rootPubkey = ROOT),
      config: () => (this.inline.rootPubkey = ROOT),
      env_hex: () => (this.env["ASTER_ROOT_PUBKEY"] = hexOf(ROOT)),
      env_file: () => (this.env["ASTER_ROOT_PUBKEY_FILE"] = root()),
      toml_hex: () => (this.toml["root_pubkey"] = `'${hexOf(ROOT)}'`),
      toml_file: () => (this.toml["root_pubkey_file"] = `'${root()}'`),
      identity_producer_entry: () => this.identity(producer),
      identity_other_entries: () => this.identity(consumerOf("a")),
    };
    const source = sources[where];
    assert.ok(source, where);
    source();
  }

  flag(where: string, value: boolean): void {
    if (where === "kwarg") this.options.allowAllConsumers = value;
    else if (where === "config") this.inline.allowAllConsumers = value;
    else if (where === "env") this.env["ASTER_ALLOW_ALL_CONSUMERS"] = String(value);
    else if (where === "toml") this.toml["allow_all_consumers"] = String(value);
    else assert.fail(where);
  }

  /** Makes the server, with nothing else in the environment. */
  server(): AsterServer {
    const before = Object.entries(process.env).filter(([name]) => name.startsWith("ASTER_"));
    for (const [name] of before) delete process.env[name];
    Object.assign(process.env, this.env);
    try {
      const lines = Object.entries(this.toml).map(([key, value]) => `${key} = ${value}\n`);
      const file = this.file("aster.toml", `[trust]\n${lines.join("")}`);
      const config = lines.length > 0 ? AsterConfig.fromFile(file) : AsterConfig.fromEnv();
      Object.assign(config, local(), this.inline);
      return new AsterServer({ services: [new Vault()], config, ...this.options });
    } finally {
      for (const name of Object.keys(this.env)) delete process.env[name];
      Object.assign(process.env, Object.fromEntries(before));
    }
  }
}

/** Starts a server and finds out what it does with somebody who has nothing. Returns its warnings, too. */
async function looked(t: TestContext, places: Places): Promise<{ gate: string; server: AsterServer; warnings: string[] }> {
  const warned = t.mock.method(process, "emitWarning", () => {});
  const server = places.server();
  const starting = server.start();
  const warnings = warned.mock.calls.map(({ arguments: [text] }) => String(text));
  warned.mock.restore();
  await starting;
  t.after(() => server.close());
  const client = new AsterClient({ address: server.address, config: local() });
  t.after(() => client.close());
  const outcome = await client.connect().then(
    () => (client.openGate ? "open" : "admitted"),
    (error: unknown) => (error instanceof AdmissionDeniedError ? "closed" : String(error)),
  );
  return { gate: outcome, server, warnings };
}

for (const entry of gate.single_source) {
  test(`tr1 tr18 gate: root ${entry.root}, flag ${entry.allow_all_consumers}`, async (t) => {
    const places = new Places(t);
    places.root(entry.root);
    if (entry.allow_all_consumers !== "unset") {
      const [where, value] = entry.allow_all_consumers.split("_") as [string, string];
      places.flag(where, value === "true");
    }
    const { gate, server, warnings } = await looked(t, places);
    assert.equal(gate, entry.gate);
    assert.equal(hexOf(server.rootPubkey) === hexOf(ROOT), entry.root_key === "configured");
    assert.notDeepEqual(server.rootPubkey, new Uint8Array(32));
    assert.equal(warnings.some((text) => text.startsWith("Dev mode: ")), entry.dev_mode);
    const isLost = entry.gate === "closed" && entry.root_key === "ephemeral";
    assert.equal(warnings.some((text) => text.includes("nobody can be admitted")), isLost, warnings.join());
  });
}

for (const entry of gate.conflicts) {
  test(`tr1 gate: ${JSON.stringify(entry)}`, async (t) => {
    const places = new Places(t);
    // By the lowest source, so that nothing but the flags differs.
    if (entry.root === "configured") places.root("toml_hex");
    for (const [where, value] of Object.entries(entry.allow_all_consumers)) places.flag(where, value);
    assert.equal((await looked(t, places)).gate, entry.gate);
  });
}

const keyFile = (text: string) => (places: Places) => {
  places.env["ASTER_ROOT_PUBKEY_FILE"] = places.file("key", text);
};

/** What brings about each error of the vectors. */
const broken: Record<string, (places: Places) => void> = {
  "kwarg allow_all_consumers=False over an explicit true of config, env or TOML, and no root key": (places) => {
    places.flag("env", true);
    places.flag("kwarg", false);
  },
  "root_pubkey_file names a missing file": (places) => {
    places.env["ASTER_ROOT_PUBKEY_FILE"] = join(places.folder, "missing");
  },
  "root_pubkey_file holds 31 bytes of hex": keyFile("ab".repeat(31)),
  "root_pubkey_file JSON without public_key": keyFile('{"private_key": ""}'),
  "ASTER_ROOT_PUBKEY is empty": (places) => (places.env["ASTER_ROOT_PUBKEY"] = ""),
  "ASTER_ROOT_PUBKEY is 63 characters": (places) => (places.env["ASTER_ROOT_PUBKEY"] = "a".repeat(63)),
  "root_pubkey is a small-order point": (places) => (places.options.rootPubkey = new Uint8Array([1, ...new Uint8Array(31)])),
  "ASTER_ALLOW_ALL_CONSUMERS is empty": (places) => (places.env["ASTER_ALLOW_ALL_CONSUMERS"] = ""),
  "ASTER_ALLOW_ALL_CONSUMERS is maybe": (places) => (places.env["ASTER_ALLOW_ALL_CONSUMERS"] = "maybe"),
  '[trust] allow_all_consumers is the string "false"': (places) => (places.toml["allow_all_consumers"] = '"false"'),
  "[trust] has an unknown key": (places) => (places.toml["allow_all"] = "true"),
  "ASTER_IDENTITY_FILE names a missing file": (places) => (places.env["ASTER_IDENTITY_FILE"] = "missing.id"),
  "peer= names no entry of the identity file": (places) => {
    places.identity(producer);
    places.options.peer = "nobody";
  },
  "identity file without producer entry, entries with two different roots": (places) =>
    places.identity(consumerOf("a"), consumerOf("b", hexOf(keyOf("other_root").publicKey))),
};

for (const entry of gate.errors) {
  test(`tr18 gate: ${entry.case}`, (t) => {
    const places = new Places(t);
    const bring = broken[entry.case];
    assert.ok(bring, entry.case);
    bring(places);
    const expected = entry.error === "ValueError" ? ConfigError : AsterError;
    assert.throws(() => places.server(), (error) => {
      assert.ok(error instanceof expected, `${String(error)}`);
      if (entry.error === "FileNotFoundError") assert.equal(error.kind, "io");
      return true;
    });
  });
}

test("a TOML file that is missing is no configuration", (t) => {
  assert.throws(() => AsterConfig.fromFile(join(folder(t), "missing.toml")), { code: "ENOENT" });
});

test("an open gate warns of services that nothing guards", async (t) => {
  const warnings: string[] = [];
  const listen = (warning: Error): void => void warnings.push(warning.message);
  process.on("warning", listen);
  t.after(() => process.off("warning", listen));
  const query = wireType("gate/Query", { text: f.string() });
  const declared = (name: string, options: object): object => {
    const methods = { ask: Rpc({ request: query, response: query }) };
    const made = Service({ name, methods, ...options })(
      class {
        ask(asked: object): object {
          return asked;
        }
      } as never,
    ) as new () => object;
    return new made();
  };
  const services = [declared("Bare", {}), declared("Known", { public: true }), declared("Kept", { requires: "ops" })];
  const guarded = declared("Guarded", { interceptors: [new AuthInterceptor({ validator: () => true })] });
  const server = await AsterServer.start({ config: local(), services: [...services, guarded] });
  await server.close();
  const told = warnings.filter((text) => text.includes("has no authorization configured"));
  assert.deepEqual(told.map((text) => text.split("'")[1]), ["Bare"]);
});
