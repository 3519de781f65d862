/** Streams and sessions as garbage, what keeps a process alive, and the examples (`node-api.md` sections 12 and 15). */
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { root, run, script } from "./support.js";

const prelude = `
  import { AsterClient, AsterServer, BidiStream, Rpc, ServerStream, Service, f, wireType } from "@aster/rpc";
  class Text extends wireType("life/Text", { text: f.string() }) {}
  const types = { request: Text, response: Text };
  const methods = { feed: ServerStream(types), talk: BidiStream(types), echo: Rpc(types) };
  let told = () => {};
  let running = 0;
  class Handlers {
    echo(request) { return request; }
    async *feed(request, { signal }) {
      running++;
      signal.addEventListener("abort", () => { running--; told(); });
      for (;;) yield request;
    }
    async *talk(requests, { signal }) {
      running++;
      signal.addEventListener("abort", () => { running--; told(); });
      for await (const one of requests) yield one;
    }
    onSessionClose() { running--; told(); }
  }
  const Lab = Service({ name: "Lab", public: true, methods })(class extends Handlers {});
  const Desk = Service({ name: "Desk", public: true, scoped: "session", methods })(class extends Handlers {
    constructor() { super(); running++; }
  });
  const server = await AsterServer.start({ services: [new Lab(), Desk] });
  const client = await AsterClient.connect({ address: server.address });
  const none = async () => { while (running > 0) await new Promise((resolve) => (told = resolve)); };
`;

/** Collects garbage until nothing runs any more. */
const collect = `
  const timer = setInterval(() => globalThis.gc(), 10);
  await none();
  clearInterval(timer);
  console.log("none left");
  await client.close();
  await server.close();`;

for (const [what, text] of [
  [
    "streams that are dropped unread",
    `const lab = await client.client(Lab);
    await (async () => {
      for (let at = 0; at < 50; at++) {
        const call = lab.feed({ text: "x" });
        const channel = lab.talk();
        if (at % 2 === 0) { await call.next(); await channel.send({ text: "y" }); await channel.recv(); }
      }
    })();
    while (running < 100) await lab.echo({ text: "" });`,
  ],
  [
    "sessions that are dropped open",
    `await (async () => {
      for (let at = 0; at < 20; at++) await (await client.client(Desk)).echo({ text: "x" });
    })();
    console.log(running > 0);`,
  ],
] as const) {
  test(`${what} are cancelled`, async (t) => {
    const { code, out, err } = await run(t, ["--expose-gc", "--input-type=module", "-e", prelude + text + collect]).ended;
    assert.equal(err, "");
    assert.equal(code, 0);
    assert.match(out, /none left\n$/);
  });
}

test("a call that is awaited is no garbage, whatever its stub is", async (t) => {
  const text = `${prelude}
    const timer = setInterval(() => globalThis.gc(), 1);
    for (let at = 0; at < 30; at++) {
      const desk = client.client(Desk);
      const reply = desk.then((stub) => stub.echo({ text: "kept" }));
      if ((await reply).text !== "kept") throw new Error("lost");
      const items = (await client.client(Lab)).talk((async function* () {
        for (const text of ["a", "b"]) { await new Promise((resolve) => setTimeout(resolve, 5)); yield { text }; }
      })());
      let got = "";
      for await (const { text } of items) got += text;
      if (got !== "ab") throw new Error(got);
    }
    clearInterval(timer);
    console.log("all there");
    await client.close();
    await server.close();`;
  const { code, out, err } = await run(t, ["--expose-gc", "--input-type=module", "-e", text]).ended;
  assert.deepEqual([code, out, err], [0, "all there\n", ""]);
});

test("open streams and sessions let the process end", async (t) => {
  const text = `${prelude}
    server.unref();
    const [lab, desk] = [await client.client(Lab), await client.client(Desk)];
    const call = lab.feed({ text: "x" });
    await call.next();
    const channel = lab.talk();
    await channel.send({ text: "x" });
    await desk.echo({ text: "x" });
    globalThis.kept = [lab, desk, call, channel];
    console.log("done");`;
  const { code, out, err, ms } = await script(t, text).ended;
  assert.deepEqual([code, out, err], [0, "done\n", ""]);
  assert.ok(ms < 8000, `${ms}`);
});

test("a pending read keeps the process alive", async (t) => {
  const text = `${prelude}
    server.unref();
    const lab = await client.client(Lab);
    lab.talk({ timeout: 600 }).recv().catch((error) => console.log(error.name));`;
  const { code, out, ms } = await script(t, text).ended;
  assert.deepEqual([code, out], [0, "DeadlineExceededError\n"]);
  assert.ok(ms > 600);
});

test("thousands of calls that are cancelled leave nothing", async (t) => {
  const text = `${prelude}
    const { engine } = await import("${join(root, "ts", "dist", "engine.js")}");
    const lab = await client.client(Lab);
    for (let round = 0; round < 20; round++) {
      const calls = [];
      for (let at = 0; at < 100; at++) {
        calls.push(lab.feed({ text: "x" }), lab.talk());
        const controller = new AbortController();
        lab.echo({ text: "x" }, { signal: controller.signal }).catch(() => {});
        controller.abort();
      }
      for (const call of calls) call.cancel();
      await lab.echo({ text: "" });
    }
    await none();
    await client.close();
    await server.close();
    const { calls, streams, running: contexts, sessions, sessionEnds, services } = engine();
    console.log(JSON.stringify([calls, streams, contexts, sessions, sessionEnds, services].map((map) => map.size)));`;
  const { code, out, err } = await script(t, text).ended;
  assert.deepEqual([code, out, err], [0, "[0,0,0,0,0,0]\n", ""]);
});

for (const [file, lines] of [
  ["streaming", ["tick 1", "tick 2", "tick 3", "sum 6", "echo a", "echo b"]],
  ["session", ["alice 1 3", "bob 5", "closed 2"]],
  ["interceptors", ["attempts 3 ok"]],
  ["cancel", ["DEADLINE_EXCEEDED", "CANCELLED", "handler saw 2 aborts"]],
] as const) {
  test(`the example ${file}`, async (t) => {
    const { code, out, err } = await run(t, [join(root, "examples", "node", `${file}.js`)]).ended;
    assert.deepEqual([code, out, err], [0, `${lines.join("\n")}\n`, ""]);
  });
}
