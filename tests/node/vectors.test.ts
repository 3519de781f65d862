/** The vectors, as far as the package reaches them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as aster from "@aster/rpc";
import { RpcError } from "@aster/rpc";
import { Declared, type Types, hostValue } from "./declared.js";
import { jsonText, vectors } from "./support.js";

interface Expectation {
  value?: unknown;
  error?: string;
  details?: Record<string, string>;
}
interface Schema {
  root: string;
  types: Types;
}
interface CodecVectors {
  schemas: Record<string, Schema>;
  cases: { id: string; schema: string; value: unknown; hex: string; fory_rs?: { hex?: string } }[];
  evolution: { id: string; reader: Schema; hex: string; expect: Expectation }[];
  decode: { id: string; schema: string; hex: string; expect: Expectation }[];
  encode_refused: { id: string; schema: string; value: unknown; expect: Expectation }[];
  json: { id: string; schema: string; text?: string; hex?: string; expect: Expectation }[];
}

const hex = (bytes: unknown): string => {
  if (bytes instanceof Error) throw bytes;
  return Buffer.from(bytes as Uint8Array).toString("hex");
};
const json = (value: unknown): Uint8Array => Buffer.from(jsonText(value));

function check(id: string, got: unknown, expect: Expectation, wanted: () => unknown): void {
  if (expect.error === undefined) {
    if (got instanceof Error) assert.fail(`${id}: ${got.message}`);
    assert.deepEqual(got, wanted(), id);
    return;
  }
  assert.ok(got instanceof RpcError, `${id}: expected ${expect.error}, got ${String(got)}`);
  assert.equal(got.codeName, expect.error, `${id}: ${got.message}`);
  assert.deepEqual({ ...got.details }, expect.details ?? {}, `${id}: ${got.message}`);
}

test("codec: values to bytes and back", async () => {
  const { schemas, cases } = vectors<CodecVectors>("codec");
  for (const { id, schema, value, hex: bytes, fory_rs } of cases) {
    const { root, types } = schemas[schema] as Schema;
    const plan = await new Declared(types).compile(root);
    const host = plan.decode(root, true, json(value));
    // A bare int is a number here, which does not hold every 64-bit integer.
    if (root === "int" && host instanceof Error && /safe integers/.test(host.message)) continue;
    if (host instanceof Error) assert.fail(`${id}: ${host.message}`);
    const decoded = plan.decode(root, false, Buffer.from(bytes, "hex"));
    check(id, decoded, {}, () => host);
    // Encoded from what was decoded: JSON.parse loses the order of keys that look like numbers, a Map does not.
    assert.equal(hex(plan.encode(root, false, decoded)), bytes, id);
    if (fory_rs?.hex) check(id, plan.decode(root, false, Buffer.from(fory_rs.hex, "hex")), {}, () => host);
    const text = plan.encode(root, true, host);
    assert.ok(text instanceof Uint8Array, id);
    check(id, plan.decode(root, true, text), {}, () => host);
  }
});

test("codec: other versions of a type", async () => {
  for (const { id, reader, hex: bytes, expect } of vectors<CodecVectors>("codec").evolution) {
    if (jsonText(reader).includes('"factory"')) continue; // Defaults that a host computes do not exist here.
    const plan = await new Declared(reader.types).compile(reader.root);
    const got = plan.decode(reader.root, false, Buffer.from(bytes, "hex"));
    check(id, got, expect, () => plan.decode(reader.root, true, json(expect.value)));
  }
});

test("codec: foreign bytes, and bytes that are refused", async () => {
  const { schemas, decode } = vectors<CodecVectors>("codec");
  for (const { id, schema, hex: bytes, expect } of decode) {
    const { root, types } = schemas[schema] as Schema;
    const plan = await new Declared(types).compile(root);
    check(id, plan.decode(root, false, Buffer.from(bytes, "hex")), expect, () => plan.decode(root, true, json(expect.value)));
  }
});

test("codec: JSON mode", async () => {
  const { schemas, json: cases } = vectors<CodecVectors>("codec");
  for (const { id, schema, text, hex: bytes, expect } of cases) {
    const { root, types } = schemas[schema] as Schema;
    const plan = await new Declared(types).compile(root);
    const body = text === undefined ? Buffer.from(bytes as string, "hex") : Buffer.from(text);
    check(id, plan.decode(root, true, body), expect, () => plan.decode(root, true, json(expect.value)));
  }
});

test("codec: values that are refused before sending", async () => {
  const { schemas, encode_refused } = vectors<CodecVectors>("codec");
  const inexpressible = ["float_as_int", "set_duplicate"];
  for (const { id, schema, value, expect } of encode_refused) {
    if (inexpressible.includes(id)) continue;
    const { root, types } = schemas[schema] as Schema;
    const plan = await new Declared(types).compile(root);
    const convert = (tag: string, of: unknown): unknown => {
      if (typeof of !== "object" || of === null || Array.isArray(of)) return of;
      const fields = types[tag]?.fields ?? [];
      return Object.fromEntries(
        Object.entries(of).map(([name, item]) => {
          const type = fields.find((field) => field.name === name)?.type ?? "";
          const inner = type.replace(/\?$/, "");
          if (types[inner]?.fields) return [name, convert(inner, item)];
          const element = /^list<(.*)>$/.exec(type)?.[1] ?? "";
          if (types[element]?.fields && Array.isArray(item)) return [name, item.map((one) => convert(element, one))];
          return [name, hostValue(type, item)];
        }),
      );
    };
    check(id, plan.encode(root, false, convert(root, value)), expect, () => undefined);
  }
});

test("wire: statuses and their classes", () => {
  interface Row {
    code: number;
    name: string;
    class: string | null;
    retryable: boolean;
  }
  const { status_codes } = vectors<{ status_codes: Row[] }>("wire");
  const codes = aster.StatusCode as Record<string, number>;
  assert.deepEqual(Object.keys(codes), status_codes.map((row) => row.name));
  for (const { code, name, class: type, retryable } of status_codes) {
    assert.equal(codes[name], code);
    assert.equal(aster.statusName(code), name);
    if (type === null) continue;
    const made = RpcError.fromStatus(code, "text", { key: "value" });
    const Type = (aster as unknown as Record<string, new (message: string) => RpcError>)[type];
    assert.ok(Type && made instanceof Type, type);
    assert.deepEqual([made.name, made.code, made.retryable], [type, code, retryable]);
    assert.equal(new Type("x").code, code);
  }
  assert.equal(aster.statusName(250), "CODE_250");
});
