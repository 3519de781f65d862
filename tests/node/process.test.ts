/** What keeps a process alive, how it ends, two processes, and the examples (`node-api.md` sections 12 and 15). */
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { localEnv, root, run, script } from "./support.js";

const examples = join(root, "examples", "node");
const prelude = `
  import { AsterClient, AsterServer, Rpc, Service, f, wireType } from "@aster/rpc";
  class Text extends wireType("process/Text", { text: f.string() }) {}
  const method = Rpc({ request: Text, response: Text });
  const Lab = Service({ name: "Lab", public: true, methods: { echo: method, wait: method } })(class {
    echo(request) { return request; }
    wait() { return new Promise(() => {}); }
  });
  const start = () => AsterServer.start({ services: [new Lab()] });
`;

test("examples in one process", async (t) => {
  for (const [file, printed] of [
    ["quickstart.js", "Hello, World!\n"],
    ["proxy.js", '{"message":"Hello, World!"}\n'],
    ["auth.js", "denied\nrunning\nPERMISSION_DENIED\n"],
  ] as const) {
    const { code, out, err } = await run(t, [join(examples, file)]).ended;
    assert.deepEqual([code, out, err], [0, printed, ""], file);
  }
});

test("a server in dev mode says so", async (t) => {
  const { ASTER_ALLOW_ALL_CONSUMERS: _, ...env } = localEnv;
  const { code, err } = await script(t, `${prelude} await (await start()).close();`, env).ended;
  assert.equal(code, 0, err);
  assert.match(err, /AsterWarning: Dev mode: allow_all_consumers=True/);
});

test("examples as two processes", async (t) => {
  const server = run(t, [join(examples, "hello-server.js")]);
  const address = (await server.line(/^address aster1/)).replace("address ", "");
  for (const file of ["hello-client.js", "call-python.js"]) {
    const { code, out, err } = await run(t, [join(examples, file), address]).ended;
    assert.deepEqual([code, out, err], [0, "Hello, World!\n", ""], file);
  }
  server.process.kill("SIGTERM");
  const { code, err } = await server.ended;
  assert.deepEqual([code, err], [0, ""]);
});

for (const [how, stops, name] of [
  ["stops on a signal", true, "UnavailableError"],
  ["is killed", false, "DeadlineExceededError"],
] as const) {
  test(`a server that ${how} ends calls of another process`, async (t) => {
    const stop = stops ? "server.installSignalHandlers({ graceMs: 0 });" : "";
    const server = script(t, `${prelude} const server = await start(); ${stop} console.log(server.address);`);
    const address = await server.line(/^aster1/);
    const client = script(
      t,
      `${prelude}
      const client = await AsterClient.connect({ address: "${address}" });
      const lab = await client.client(Lab);
      console.log((await lab.echo({ text: "ready" })).text);
      try { await lab.wait({ text: "" }, { timeout: ${stops ? 20_000 : 1500} }) } catch (error) { console.log(error.name) }
      await client.close();`,
    );
    await client.line(/ready/);
    server.process.kill(stops ? "SIGTERM" : "SIGKILL");
    const { out } = await client.ended;
    assert.equal(out, `ready\n${name}\n`);
    const { code } = await server.ended;
    assert.equal(code, stops ? 0 : null);
  });
}

test("an idle client lets the process end", async (t) => {
  const text = `${prelude}
    const server = (await start()).unref();
    const client = await AsterClient.connect({ address: server.address });
    const lab = await client.client(Lab);
    console.log((await lab.echo({ text: "done" })).text);`;
  const { code, out, err, ms } = await script(t, text).ended;
  assert.deepEqual([code, out, err], [0, "done\n", ""]);
  assert.ok(ms < 5000, `${ms}`);
});

test("a pending call keeps the process alive", async (t) => {
  const text = `${prelude}
    const server = (await start()).unref();
    const client = await AsterClient.connect({ address: server.address });
    const lab = await client.client(Lab);
    lab.wait({ text: "" }, { timeout: 700 }).catch((error) => console.log(error.name));`;
  const { code, out, ms } = await script(t, text).ended;
  assert.deepEqual([code, out], [0, "DeadlineExceededError\n"]);
  assert.ok(ms > 700);
});

test("a started server keeps the process alive until it is closed", async (t) => {
  const child = script(
    t,
    `${prelude}
    const server = await start();
    console.log("started");
    process.stdin.once("data", () => server.close().then(() => console.log("closed")));
    process.stdin.unref();`,
  );
  await child.line(/started/);
  const waited = new Promise((resolve) => setTimeout(() => resolve("alive"), 500));
  assert.equal(await Promise.race([waited, child.ended]), "alive");
  child.process.stdin?.write("x");
  const { code, out } = await child.ended;
  assert.deepEqual([code, out], [0, "started\nclosed\n"]);
});

test("process.exit with everything open is quick and keeps its code", async (t) => {
  const text = `${prelude}
    const server = await start();
    const client = await AsterClient.connect({ address: server.address });
    const lab = await client.client(Lab);
    for (let at = 0; at < 100; at++) lab.wait({ text: "" }).catch(() => {});
    await lab.echo({ text: "" });
    const began = Date.now();
    process.on("exit", () => console.log("leaving"));
    process.exit(7);`;
  const { code, out, err, ms } = await script(t, text).ended;
  assert.deepEqual([code, out, err], [7, "leaving\n", ""]);
  assert.ok(ms < 5000, `${ms}`);
});

test("an exception that nobody catches ends the process as usual", async (t) => {
  const text = `${prelude}
    const server = await start();
    setTimeout(() => { throw new Error("on purpose") });`;
  const { code, err } = await script(t, text).ended;
  assert.equal(code, 1);
  assert.match(err, /on purpose/);
});

test("worker threads have their own engine", async (t) => {
  const text = `${prelude}
    import { Worker } from "node:worker_threads";
    const server = await start();
    const code = ${JSON.stringify(`
      import("@aster/rpc").then(async ({ AsterClient, Rpc, defineService, f, wireType }) => {
        const { parentPort, workerData } = await import("node:worker_threads");
        class Text extends wireType("process/Text", { text: f.string() }) {}
        const Lab = defineService({ name: "Lab", methods: { echo: Rpc({ request: Text, response: Text }) } });
        const client = await AsterClient.connect({ address: workerData.address });
        const lab = await client.client(Lab);
        const replies = await Promise.all([1, 2, 3].map((n) => lab.echo({ text: workerData.name + n })));
        parentPort.postMessage(replies.map((reply) => reply.text).join());
        if (workerData.close) await client.close();
      });`)};
    const work = (name, close) => new Promise((resolve, reject) => {
      const worker = new Worker(code, { eval: true, workerData: { name, close, address: server.address } });
      let said;
      worker.on("message", (message) => (said = message));
      worker.on("error", reject);
      worker.on("exit", () => resolve(said));
    });
    console.log((await Promise.all([work("a", true), work("b", false)])).join(";"));
    await server.close();`;
  const { code, out, err } = await script(t, text).ended;
  assert.deepEqual([code, out, err], [0, "a1,a2,a3;b1,b2,b3\n", ""]);
});

test("require() of the package where Node can", async (t) => {
  const [major, minor] = process.versions.node.split(".").map(Number) as [number, number];
  const can = major > 22 || (major === 22 && minor >= 12) || (major === 20 && minor >= 19);
  if (!can) return t.skip("this Node cannot require ESM");
  const { out, err } = await run(t, ["-e", `console.log(typeof require("@aster/rpc").AsterServer)`]).ended;
  assert.equal(out, "function\n", err);
  return undefined;
});

test("clients that become garbage close their connections", async (t) => {
  const text = `${prelude}
    const server = await start();
    let ended;
    const gone = new Promise((resolve) => (ended = resolve));
    Lab.prototype.wait = (_, context) => new Promise(() => context.signal.addEventListener("abort", ended));
    await (async () => {
      const client = await AsterClient.connect({ address: server.address });
      (await client.client(Lab)).wait({ text: "" }).catch(() => {});
      await (await client.client(Lab)).echo({ text: "" });
    })();
    const timer = setInterval(() => globalThis.gc(), 20);
    await gone;
    clearInterval(timer);
    console.log("gone");
    await server.close();`;
  const { code, out, err } = await run(t, ["--expose-gc", "--input-type=module", "-e", text]).ended;
  assert.deepEqual([code, out, err], [0, "gone\n", ""]);
});
