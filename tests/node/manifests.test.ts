/** Manifests as programs read, write and check them, and types made from them. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import {
  ContractManifest,
  DynamicTypeFactory,
  FatalContractMismatchError,
  InvalidStateError,
  Rpc,
  contractIdFromService,
  defineService,
  f,
  verifyManifestOrFatal,
  wireType,
} from "@aster/rpc";
import { type Description, type Types, compiled, dynamic } from "./declared.js";
import { Everything, Plain, PlainSession } from "./plain-service.js";
import { jsonText, localEnv, script, vectors } from "./support.js";

interface Vectors {
  manifests: { id: string; description: Description; manifest: { types: Types; contract_id: string } }[];
  services: { id: string; description: Description; contract_id: string }[];
  negative: { id: string; types?: Types }[];
}
const file = vectors<Vectors>("contract");

function folder(t: TestContext): string {
  const made = mkdtempSync(join(tmpdir(), "aster-"));
  t.after(() => rmSync(made, { recursive: true }));
  return made;
}

test("a manifest of a declared service", async (t) => {
  const manifest = ContractManifest.fromService(Plain);
  assert.equal(manifest.contractId, contractIdFromService(Plain));
  assert.deepEqual([manifest.service, manifest.version, manifest.verified], ["Plain", 1, true]);
  assert.deepEqual(manifest.methods.map(({ name }) => name), ["double", "echo", "sum", "twice", "up", "wait"]);
  const text = manifest.toJson();
  assert.equal(ContractManifest.fromJson(text).toJson(), text);
  const at = folder(t);
  const path = join(at, "new", "manifest.json");
  await manifest.save(path);
  await manifest.save(path);
  assert.equal(readFileSync(path, "utf8"), text);
  assert.deepEqual(readdirSync(join(at, "new")), ["manifest.json"]);
  await assert.rejects(manifest.save(at));
  assert.deepEqual(readdirSync(at), ["new"]);
});

test("the manifests of the vectors", () => {
  for (const { id, manifest } of file.manifests) {
    const text = `${JSON.stringify(JSON.parse(jsonText(manifest)), null, 2)}\n`;
    const read = ContractManifest.fromJson(text);
    assert.equal(read.toJson(), text, id);
    assert.deepEqual([read.verified, read.contractId], [true, manifest.contract_id], id);
    assert.throws(() => ContractManifest.fromJson(text.replace(/"version": \d+/, '"version": 99')), TypeError, id);
  }
});

test("what a manifest says beyond its contract is kept", () => {
  const text = ContractManifest.fromService(Plain).toJson();
  const published = text
    .replace('"semver": null', '"semver": "1.2.3"')
    .replace('"published_by": ""', '"published_by": "ab"')
    .replace('"published_at_epoch_ms": 0', '"published_at_epoch_ms": 1700000000000');
  assert.equal(ContractManifest.fromJson(published).toJson(), published);
  assert.equal(ContractManifest.fromJson(published.replace("{", '{ "unknown": 1,')).toJson(), published);
  for (const wrong of ['"semver": 1', '"published_by": 1', '"published_at_epoch_ms": "1"', '"published_at_epoch_ms": -1']) {
    const [key = ""] = wrong.split(":");
    assert.throws(() => ContractManifest.fromJson(text.replace(new RegExp(`${key}: [^,\\n]+`), wrong)), TypeError, wrong);
  }
});

test("legacy manifests are read, not verified", () => {
  const legacy = { service: "Old", version: 1, contract_id: "0".repeat(64), methods: [], v: 1 };
  const read = ContractManifest.fromJson(JSON.stringify(legacy));
  assert.deepEqual([read.verified, read.service, read.data["v"]], [false, "Old", 1]);
  for (const wrong of ["", "[]", "3", '{"a":1,"a":2}']) assert.throws(() => ContractManifest.fromJson(wrong), TypeError, wrong);
  assert.throws(() => ContractManifest.fromJson(3 as never), TypeError);
});

test("services against a manifest file", async (t) => {
  const path = join(folder(t), "manifest.json");
  const missing = { name: "InvalidStateError", message: `Failed to read manifest at ${path}: there is no such file` };
  assert.throws(() => verifyManifestOrFatal(Plain, path), missing);
  await ContractManifest.fromService(Plain).save(path);
  verifyManifestOrFatal(Plain, path);
  verifyManifestOrFatal([Plain, PlainSession], path);
  class Q extends wireType("q/Q", { a: f.int() }) {}
  const Other = defineService({ name: "Plain", methods: { m: Rpc({ request: Q, response: Q }) } });
  const [expected, actual] = [contractIdFromService(Plain), contractIdFromService(Other)];
  const text =
    `Contract identity mismatch for 'Plain' v1:\n  Expected (manifest): ${expected}\n  Actual (live):       ${actual}\n` +
    `  Manifest: ${path}\nThe service has changed since its manifest was written. If that is intended, rerun\n\`aster contract gen\`.`;
  const fatal = { name: "FatalContractMismatchError", message: text, service: "Plain", version: 1, expected, actual, path };
  assert.throws(() => verifyManifestOrFatal([PlainSession, Other], path), fatal);
  assert.throws(() => verifyManifestOrFatal(Other, path), (error) => error instanceof InvalidStateError);
  for (const broken of ["{", "[1]", "\xff", '{"service":"Plain","version":1}']) {
    writeFileSync(path, broken, "latin1");
    assert.throws(() => verifyManifestOrFatal(Plain, path), (error: Error) => {
      const told = error.message.startsWith(`Failed to read manifest at ${path}: `);
      return told && error instanceof InvalidStateError && !(error instanceof FatalContractMismatchError);
    });
  }
});

test("a server that is not what its manifest says does not start", async (t) => {
  const at = folder(t);
  mkdirSync(join(at, ".aster"));
  const text = `
    import { AsterServer, ContractManifest, Rpc, Service, f, wireType } from "@aster/rpc";
    import { writeFileSync } from "node:fs";
    class Q extends wireType("q/Q", { a: f.int() }) {}
    const S = Service({ name: "S", methods: { m: Rpc({ request: Q, response: Q }) } })(class { async m(q) { return q; } });
    process.chdir(${JSON.stringify(at)});
    const start = () => AsterServer.start({ services: [new S()] }).then((server) => server.close(), (error) => console.log(error.name));
    await start();
    await ContractManifest.fromService(S).save(".aster/manifest.json");
    await start();
    writeFileSync(".aster/manifest.json", JSON.stringify([{ service: "S", version: 1, contract_id: "f".repeat(64) }]));
    await start();
    writeFileSync(".aster/manifest.json", "{");
    await start();
    console.log("end");`;
  const { out, err } = await script(t, text, localEnv).ended;
  assert.equal(out, "FatalContractMismatchError\nInvalidStateError\nend\n", err);
});

test("services declared with types of their descriptions have the same id", () => {
  let declared = 0;
  const cases = [
    ...file.services.map((one) => ({ ...one, id: `services/${one.id}` })),
    ...file.manifests.map(({ id, description, manifest }) => ({ id: `manifests/${id}`, description, contract_id: manifest.contract_id })),
  ];
  for (const { id, description, contract_id: expected } of cases) {
    // The vector has a Python producer, which is part of the contract.
    if (description.serialization_modes?.includes("native")) continue;
    assert.equal(contractIdFromService(dynamic(description)), expected, id);
    declared++;
  }
  assert.equal(declared, cases.length - 1);
});

test("types that break a rule are refused", () => {
  let refused = 0;
  for (const { id, types } of file.negative) {
    if (!types) continue;
    assert.throws(() => new DynamicTypeFactory(types as never), TypeError, id);
    refused++;
  }
  assert.equal(refused, 15);
});

test("types of a manifest", async () => {
  const shop = file.manifests.find(({ id }) => id === "shop");
  assert.ok(shop);
  const factory = DynamicTypeFactory.fromManifest(jsonText(shop.manifest));
  assert.deepEqual([...factory.classes.keys(), ...factory.enums.keys()].sort(), Object.keys(shop.manifest.types));
  assert.deepEqual(factory.enums.get("shop/Colour"), { RED: 0, GREEN: 1 });
  assert.deepEqual(factory.enums.get("shop/Size"), { S: "small", XL: "extra", L: "large" });
  const Order = factory.get("shop/Order");
  assert.equal(factory.get("shop.Order"), Order);
  assert.throws(() => factory.get("shop/Colour"), { name: "TypeError", message: /no message 'shop\/Colour'/ });
  const order = { ...new Order({ id: "1" }), at: 0, created: 0 };
  const started = { id: "1", lines: [], by_sku: {}, colour: 0, size: null, note: "none", seen: new Set(), grid: [] };
  assert.deepEqual(order, { ...started, at: 0, total: "0.00", parent: null, raw: new Uint8Array(), created: 0 });
  const [first, second] = [new Order(), new Order()] as { lines: unknown[]; by_sku: Record<string, unknown> }[];
  first?.lines.push(1);
  assert.ok(first && second);
  first.by_sku["a"] = 1;
  assert.deepEqual([second.lines, { ...second.by_sku }], [[], {}]);
  assert.throws(() => new Order({ nope: 1 }), TypeError);
  assert.throws(() => DynamicTypeFactory.fromManifest(jsonText({ ...shop.manifest, version: 9 })), TypeError);
});

test("instances of types of a manifest travel", async () => {
  const factory = DynamicTypeFactory.fromManifest(ContractManifest.fromService(Plain).toJson());
  const [Made, Leaf] = [factory.get("plain/Everything"), factory.get("plain/Leaf")];
  const Service = defineService({ name: "S", methods: { m: Rpc({ request: Made, response: Made }) } });
  const codec = await compiled(Service);
  const value = new Made({ count: 2n ** 60n, leaves: [new Leaf({ name: "a", colour: 1 })], parent: new Made({ count: 1 }) });
  const bytes = codec.encode("plain/Everything", false, value) as Uint8Array;
  const back = codec.decode("plain/Everything", false, bytes) as { leaves: object[]; count: unknown; parent: { count: unknown } };
  assert.ok(back instanceof Made && back.leaves[0] instanceof Leaf && back.parent instanceof Made);
  assert.deepEqual([back.count, back.parent.count, { ...back.leaves[0] }], [2n ** 60n, 1, { name: "a", colour: 1 }]);
  const typed = (await compiled(Plain as never)).decode("plain/Everything", false, bytes) as Everything;
  assert.deepEqual([typed.count, (typed.parent as Everything).count], [2n ** 60n, 1n]);
  const wide = DynamicTypeFactory.fromManifest(ContractManifest.fromService(Plain).toJson(), { int64: "bigint" });
  assert.equal((new (wide.get("plain/Everything"))() as { count: unknown }).count, 0n);
});
