import assert from "node:assert/strict";
import { test } from "node:test";
import { Rpc, Service, WireType, anyOf, contractIdFromService, defineService, f } from "@aster/rpc";
import * as standard from "./decorated.js";
import { pair } from "./support.js";

type Fixture = typeof standard;
const legacy = (await import(new URL("./legacy/decorated.js", import.meta.url).href)) as Fixture;

const Query = WireType("mission/StatusQuery", { agent: f.string() })(
  class Query {
    agent = "";
  },
);
const Status = WireType(
  "mission/AgentStatus",
  { agent: f.string(), state: f.string(), uptimeS: f.int() },
  { names: "snake_case" },
)(
  class Status {
    agent = "";
    state = "idle";
    uptimeS = 0;
  },
);
const methods = {
  status: Rpc({ request: Query, response: Status, timeout: 30_000, idempotent: true }),
  stop: Rpc({ params: { agent: f.string(), force: f.bool() }, response: Status }),
};
const options = { name: "MissionControl", version: 1, requires: anyOf("ops", "admin"), methods };
const Plain = Service(options)(
  class {
    status() {}
    stop() {}
  },
);

test("all ways to declare a service give one contract id", () => {
  const ids = [standard.MissionControl, legacy.MissionControl, Plain, defineService(options)].map((service) =>
    contractIdFromService(service),
  );
  assert.match(ids[0] as string, /^[0-9a-f]{64}$/);
  assert.deepEqual(new Set(ids), new Set([ids[0]]));
});

for (const [name, { Open, StatusQuery, AgentStatus }] of [["TC39", standard], ["legacy", legacy]] as const) {
  test(`a service with ${name} decorators serves`, async (t) => {
    const { client } = await pair(t, [new Open()]);
    const stub = await client.client(Open);
    const status = await stub.status(new StatusQuery({ agent: "a1" }));
    assert.ok(status instanceof AgentStatus);
    assert.deepEqual({ ...status }, { agent: "a1", state: "status", uptimeS: 0 });
    assert.equal((await stub.stop({ agent: "a1", force: true })).state, "killed");
  });
}

test("requirements are enforced by core", async (t) => {
  const { client } = await pair(t, [new standard.MissionControl()]);
  const stub = await client.client(standard.MissionControl);
  await assert.rejects(stub.status({ agent: "a1" }), {
    name: "PermissionDeniedError",
    message: "capability check failed for service 'MissionControl'",
  });
});

test("a class without a field table is refused where it is used", () => {
  class Bare {}
  const service = defineService({ name: "S", methods: { go: Rpc({ request: Bare, response: Bare }) } });
  assert.throws(() => contractIdFromService(service), { name: "TypeError", message: /'S'.*'go'.*Bare is not @WireType/ });
});
