// Calls every method of every generated client; each answer is what its class starts from. Prints what happened.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { AsterClient, AsterConfig } from "@aster/rpc";

const BARE = { string: "", int: 0, float: 0, bool: false, bytes: new Uint8Array() };
const config = new AsterConfig({ relayMode: "disabled", bindAddr: "127.0.0.1:0" });
const aster = await AsterClient.connect({ address: process.argv[2], config });
const told = {};
for (const { manifest, file } of JSON.parse(readFileSync("manifests.json", "utf8"))) {
  const types = await import(new URL(`./dist/made/types/${file}.js`, import.meta.url));
  const services = await import(new URL(`./dist/made/services/${file}.js`, import.meta.url));
  const client = await Object.values(services).find((value) => typeof value === "function").fromConnection(aster);
  const names = Object.getOwnPropertyNames(Object.getPrototypeOf(client));
  const properties = names.filter((name) => name !== "constructor" && name !== "close");
  assert.equal(properties.length, manifest.methods.length);
  for (const [at, method] of manifest.methods.entries()) {
    const first = (tag, name) => (tag === "" ? BARE[name] : new types[name]());
    const request = first(method.request_wire_tag, method.request_type);
    const expected = first(method.response_wire_tag, method.response_type);
    const streams = method.pattern === "client_stream" || method.pattern === "bidi_stream";
    const call = client[properties[at]](streams ? [request, request, request] : request, { timeout: 20_000 });
    const answers = [];
    try {
      if (method.pattern === "unary" || method.pattern === "client_stream") answers.push(await call);
      else for await (const answer of call) answers.push(answer);
      for (const answer of answers) assert.deepEqual(answer, expected);
      told[`${manifest.service}.${manifest.version}.${method.name}`] = answers.length;
    } catch (error) {
      if (error.codeName === undefined) throw error;
      told[`${manifest.service}.${manifest.version}.${method.name}`] = error.codeName;
    }
  }
  await client.close();
}
await aster.close();
console.log(JSON.stringify(told));
