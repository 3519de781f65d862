/** The codec scenario of `tests/interop` in TypeScript: `codec-scenario.js SCENARIO`; prints the result as JSON. */
import { RpcError, contractIdFromService } from "@aster/rpc";
import { type Description, Declared } from "./declared.js";
import { exactJson, jsonText } from "./support.js";

interface Scenario {
  description: Description;
  root: string;
  values: Record<string, unknown>;
  refused: Record<string, unknown>;
}

const { description, root, values, refused } = exactJson<Scenario>(process.argv[2] as string);
const declared = new Declared(description.types);
const plan = await declared.compile(root);

function bytes(encoded: Uint8Array | Error): Buffer {
  if (encoded instanceof Error) throw encoded;
  return Buffer.from(encoded);
}

function outcome(body: unknown): object {
  const value = plan.decode(root, true, Buffer.from(jsonText(body)));
  if (value instanceof RpcError) return { code: value.code, message: value.message, details: value.details };
  return {
    xlang: bytes(plan.encode(root, false, value)).toString("hex"),
    json: bytes(plan.encode(root, true, value)).toString(),
  };
}

const bodies = Object.entries({ ...values, ...refused });
const result = {
  contract_id: contractIdFromService(declared.service(description)),
  outcomes: Object.fromEntries(bodies.map(([name, body]) => [name, outcome(body)])),
};
console.log(JSON.stringify(result));
