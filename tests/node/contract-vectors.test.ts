/** contract.json: every group, and the ids of what programs declare. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as aster from "@aster/rpc";
import { canonicalBytes, contractIdFromService } from "@aster/rpc";
import { type Description, Declared, type Types } from "./declared.js";
import { jsonText, root, vectors } from "./support.js";

interface Native {
  canonicalBytes(kind: string, document: string): Uint8Array;
  readCanonical(kind: string, canonical: Uint8Array): string;
  typeGraph(types: string): string;
  contractIdentity(description: string): string;
  manifestOf(description: string): string;
  verifiedManifest(text: string): string;
}
interface Document {
  id: string;
  json: unknown;
  hex: string;
  decoded?: unknown;
}
interface TypeDefinition {
  hex: string;
  hash: string;
  entering_ref?: string;
}
interface Vectors {
  primitives: { id: string; value: unknown; hex: string }[];
  type_defs: Document[];
  methods: Document[];
  contracts: Document[];
  graphs: { id: string; types: Types; type_defs: Record<string, TypeDefinition>; cyclic_components: string[][] }[];
  services: { id: string; description: Description; contract: unknown; hex: string; contract_id: string; type_hashes: string[] }[];
  manifests: { id: string; description: Description; manifest: object }[];
  negative: { id: string; kind: string; json?: unknown; hex?: string; types?: Types }[];
}

const file = vectors<Vectors>("contract");
const { native } = (await import(`${root}ts/dist/native.js`)) as { native: () => Native };
const core = native();
const hex = (bytes: unknown): string => {
  if (bytes instanceof Error) throw bytes;
  return Buffer.from(bytes as Uint8Array).toString("hex");
};

test("contract: every group is known", () => {
  const known = ["primitives", "type_defs", "methods", "contracts", "graphs", "services", "manifests", "negative"];
  assert.deepEqual(Object.keys(file).sort(), [...known, "format", "canonical_encoding"].sort());
});

test("contract: primitives", () => {
  for (const { id, value, hex: bytes } of file.primitives) {
    const kind = (id.split("/")[0] as string).replace(/^zigzag.*/, "zigzag");
    assert.equal(hex(core.canonicalBytes(kind, jsonText(value))), bytes, id);
  }
});

test("contract: documents to canonical bytes and back", () => {
  const groups = { type_def: file.type_defs, method: file.methods, service_contract: file.contracts };
  for (const [kind, cases] of Object.entries(groups)) {
    for (const { id, json, hex: bytes, decoded } of cases) {
      const canonical = core.canonicalBytes(kind, jsonText(json));
      assert.equal(hex(canonical), bytes, id);
      if (kind !== "method") assert.deepEqual(JSON.parse(core.readCanonical(kind, canonical)), decoded, id);
    }
  }
});

test("contract: type graphs", () => {
  for (const { id, types, type_defs, cyclic_components } of file.graphs) {
    const graph = JSON.parse(core.typeGraph(jsonText(types))) as { types: object; cycles: string[][] };
    const expected = Object.entries(type_defs).map(([name, of]) => [
      name,
      { canonical: of.hex, hash: of.hash, entering_ref: of.entering_ref ?? of.hash },
    ]);
    assert.deepEqual(graph.types, Object.fromEntries(expected), id);
    const sorted = (cycles: string[][]): string[] => cycles.map((names) => names.join()).sort();
    assert.deepEqual(sorted(graph.cycles), sorted(cyclic_components), id);
  }
});

test("contract: services", () => {
  for (const { id, description, contract, hex: canonical, contract_id, type_hashes } of file.services) {
    const identity = JSON.parse(core.contractIdentity(jsonText(description))) as object;
    assert.deepEqual(identity, { contract, canonical, contract_id, type_hashes }, id);
  }
});

test("contract: manifests", () => {
  for (const { id, description, manifest } of file.manifests) {
    const text = core.manifestOf(jsonText(description));
    assert.deepEqual(JSON.parse(text), JSON.parse(jsonText(manifest)), id);
    assert.equal(core.verifiedManifest(text), text, id);
  }
});

test("contract: what is refused", () => {
  for (const { id, kind, json, hex: bytes, types } of file.negative) {
    assert.throws(() => {
      if (types) core.typeGraph(jsonText(types));
      else if (bytes === undefined) core.canonicalBytes(kind, jsonText(json));
      else core.readCanonical(kind, Buffer.from(bytes, "hex"));
    }, id);
  }
});

test("contract: ids and canonical bytes", () => {
  let compared = 0;
  for (const { id, description, contract_id, hex: bytes } of file.services) {
    // The vector has a Python producer, which is part of the contract.
    if (description.serialization_modes?.includes("native")) continue;
    const service = new Declared(description.types).service(description);
    assert.equal(contractIdFromService(service), contract_id, id);
    assert.equal(hex(canonicalBytes(service)), bytes, id);
    compared++;
  }
  assert.equal(compared, file.services.length - 1);
});

test("contract: the id of Echo", () => {
  const { f, wireType, Rpc, defineService } = aster;
  class EchoRequest extends wireType("echo/EchoRequest", { message: f.string() }) {}
  class EchoResponse extends wireType("echo/EchoResponse", { reply: f.string() }) {}
  const echo = Rpc({ request: EchoRequest, response: EchoResponse });
  const Echo = defineService({ name: "EchoService", methods: { echo } });
  assert.equal(contractIdFromService(Echo), "12d2f2990f4dd71dfd59f5db470d186f1fcc7dbafdac0ea7fdf838ab263c0578");
});
