/** The package itself: what it exports, its tables, its loader. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import * as aster from "@aster/rpc";
import { localEnv, root, script } from "./support.js";

const ts = join(root, "ts");

test("the generated tables are those of the native library", () => {
  const check = spawnSync(process.execPath, ["scripts/generate-tables.mjs", "--check"], { cwd: ts, encoding: "utf8" });
  assert.equal(check.status, 0, check.stderr);
});

test("one version", () => {
  const manifest = JSON.parse(readFileSync(join(ts, "package.json"), "utf8")) as { version: string };
  assert.equal(aster.version, manifest.version);
});

test("the exports", () => {
  const statuses = Object.keys(aster).filter((name) => Object.getPrototypeOf(aster[name as keyof typeof aster]) === aster.RpcError);
  assert.equal(statuses.length, 17);
  const rest = Object.keys(aster).filter((name) => !statuses.includes(name));
  assert.deepEqual(rest.sort(), [
    "AdmissionDeniedError",
    "AsterClient",
    "AsterConfig",
    "AsterError",
    "AsterServer",
    "AuditLogInterceptor",
    "AuthInterceptor",
    "BidiChannel",
    "BidiStream",
    "CallContext",
    "CapabilityInterceptor",
    "CircuitBreakerInterceptor",
    "ClientSession",
    "ClientStream",
    "ClockDriftConfig",
    "CompressionInterceptor",
    "ConfigError",
    "ConnectionLostError",
    "ConsumerEnrollmentCredential",
    "ContractManifest",
    "DeadlineInterceptor",
    "DelegatedGrant",
    "DynamicTypeFactory",
    "EnrollmentCredential",
    "FatalContractMismatchError",
    "InMemoryNonceStore",
    "InvalidStateError",
    "LimitExceededError",
    "MeshEndpointHook",
    "MetricsInterceptor",
    "NativeLoadError",
    "NonceStore",
    "PeerAttributeStore",
    "ProxyClient",
    "RateLimitInterceptor",
    "RegistryACL",
    "RegistryClient",
    "RegistryPublisher",
    "RetryInterceptor",
    "Rpc",
    "RpcError",
    "RpcPattern",
    "RpcScope",
    "SerializationMode",
    "ServerStream",
    "ServerStreamCall",
    "Service",
    "ServiceNotFoundError",
    "SessionProxy",
    "StatusCode",
    "StreamClosedError",
    "TicketError",
    "TrustDomainError",
    "WireType",
    "admit",
    "allOf",
    "anyOf",
    "canonicalBytes",
    "checkOffline",
    "checkRuntime",
    "consumerCredFromJson",
    "consumerCredToJson",
    "contractIdFromService",
    "defineService",
    "f",
    "fetchContract",
    "generateRootKeypair",
    "handleAdmissionRpc",
    "handleConsumerAdmissionRpc",
    "publishContract",
    "signCredential",
    "statusName",
    "verifyManifestOrFatal",
    "verifySignature",
    "version",
    "wireGeneric",
    "wireType",
    "withOptions",
  ]);
});

test("no any in the types", () => {
  for (const file of readdirSync(join(ts, "dist")).filter((name) => name.endsWith(".d.ts"))) {
    const text = readFileSync(join(ts, "dist", file), "utf8").replace(/\/\*[\s\S]*?\*\//g, "");
    assert.doesNotMatch(text, /\bany\b/, file);
  }
});

test("errors are made by programs, too", () => {
  const cause = new Error("why");
  const error = new aster.NotFoundError("gone", { id: "1" }, { cause });
  assert.ok(error instanceof aster.RpcError && error instanceof aster.AsterError && error instanceof Error);
  assert.deepEqual([error.name, error.code, error.cause, { ...error.details }], ["NotFoundError", 5, cause, { id: "1" }]);
  assert.ok(Object.isFrozen(error.details));
  assert.equal(aster.RpcError.from(error), error);
  const wrapped = aster.RpcError.from("text");
  assert.ok(wrapped instanceof aster.UnknownRpcError);
  assert.deepEqual([wrapped.message, wrapped.cause], ["text", "text"]);
  assert.equal(new aster.UnavailableError().retryable, true);
});

test("importing does nothing", async (t) => {
  const text = `
    process.env.ASTER_NATIVE_PATH = "relative.node";
    const aster = await import("@aster/rpc");
    class Q extends aster.wireType("q/Q", { a: aster.f.string() }) {}
    aster.defineService({ name: "S", methods: { m: aster.Rpc({ request: Q, response: Q }) } });
    const libraries = process.report.getReport().sharedObjects.filter((name) => name.includes("aster."));
    console.log(JSON.stringify(libraries));`;
  assert.equal((await script(t, text).ended).out, "[]\n");
});

test("a library that cannot be loaded is told with every place", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "aster-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const broken = join(folder, "broken.node");
  writeFileSync(broken, "not a library");
  const text = `
    import { NativeLoadError, contractIdFromService, defineService } from "@aster/rpc";
    try {
      contractIdFromService(defineService({ name: "S", methods: {} }));
    } catch (error) {
      console.log(JSON.stringify([error instanceof NativeLoadError, error.tried, error.triple, error.message]));
    }`;
  type Told = [boolean, { path: string; reason: string }[], string, string];
  const load = async (path: string): Promise<Told> => {
    const { out, err } = await script(t, text, { ...localEnv, ASTER_NATIVE_PATH: path }).ended;
    assert.ok(out, err);
    return JSON.parse(out) as Told;
  };
  const [is, tried, triple, message] = await load(broken);
  assert.equal(is, true);
  assert.equal(tried.length, 1);
  assert.equal(tried[0]?.path, broken);
  assert.match(triple, new RegExp(`^${process.platform}-${process.arch}`));
  assert.ok(message.includes(broken) && message.includes("npm run build:native"));
  assert.match((await load("relative.node"))[1][0]?.reason ?? "", /not an absolute path/);
});

test("a package of another version refuses the library", async (t) => {
  const text = `
    import { createRequire } from "node:module";
    const { platformTriple } = await import("${ts}/dist/native.js");
    const module = createRequire("${ts}/")("${ts}/native/aster." + platformTriple() + ".node");
    module.version = () => "9.9.9";
    const { AsterClient } = await import("@aster/rpc");
    try { new AsterClient({ address: "x" }) } catch (error) { console.log(error.name, error.message) }`;
  const { out, err } = await script(t, text).ended;
  assert.match(out, /^NativeLoadError .*9\.9\.9.*0\.1\.0/s, err);
});
