/** What the tests share: a configuration without network, pairs of server and client, child processes, vectors. */
import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { AsterClient, AsterConfig, AsterServer, type ServerOptions } from "@aster/rpc";

export const root = fileURLToPath(new URL("../../..", import.meta.url));

/** A configuration that stays on this machine. */
export function local(): AsterConfig {
  return new AsterConfig({ relayMode: "disabled", bindAddr: "127.0.0.1:0" });
}

/** Environment of child processes that stay on this machine. */
export const localEnv: NodeJS.ProcessEnv = {
  ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("ASTER_"))),
  ASTER_RELAY_MODE: "disabled",
  ASTER_ALLOW_ALL_CONSUMERS: "true",
  ASTER_BIND_ADDR: "127.0.0.1:0",
};

/** A server and a client of it, closed when the test ends. */
export async function pair(
  t: TestContext,
  services: ServerOptions["services"],
  options: Partial<ServerOptions> = {},
): Promise<{ server: AsterServer; client: AsterClient }> {
  const server = await AsterServer.start({ services, config: local(), ...options });
  t.after(() => server.close());
  const client = await AsterClient.connect({ address: server.address, config: local() });
  t.after(() => client.close());
  return { server, client };
}

/** Resolves with what a promise was rejected with. */
export async function failure<E extends Error>(
  promise: Promise<unknown>,
  type: abstract new (...args: never[]) => E,
): Promise<E> {
  let value: unknown;
  try {
    value = await promise;
  } catch (error) {
    if (error instanceof type) return error;
    throw error;
  }
  throw new Error(`expected ${type.name}, got ${JSON.stringify(value)}`);
}

/** Reads a file of vectors. */
export function vectors<T>(name: string): T {
  const folder = process.env["ASTER_VECTORS_DIR"] ?? join(root, "..", "shared", "vectors");
  return exactJson(join(folder, `${name}.json`));
}

/** Reads JSON. Whole numbers beyond 2^53 become `"@<digits>"`; {@link jsonText} writes them back. */
export function exactJson<T>(path: string): T {
  const text = readFileSync(path, "utf8");
  const tokens = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;
  const exact = /^(?:-?\d{16,}|-0\.0)$/;
  return JSON.parse(text.replace(tokens, (token) => (exact.test(token) ? `"@${token}"` : token))) as T;
}

/** Writes JSON with the numbers as they were in the file. */
export function jsonText(value: unknown): string {
  return JSON.stringify(value).replace(/"@(-?[\d.]+)"/g, "$1");
}

/** A child process with its output so far. */
export interface Child {
  process: ChildProcess;
  /** Resolves with the first line that matches. */
  line(pattern: RegExp): Promise<string>;
  /** Resolves with exit code, output and milliseconds since the start. */
  ended: Promise<{ code: number | null; out: string; err: string; ms: number }>;
}

/** Runs a file or, with `-e`, a module text with node. */
export function run(t: TestContext, args: string[], env: NodeJS.ProcessEnv = localEnv): Child {
  const began = performance.now();
  const child = spawn(process.execPath, args, { env, cwd: join(root, "tests", "node"), stdio: ["pipe", "pipe", "pipe"] });
  t.after(() => child.kill("SIGKILL"));
  let [out, err] = ["", ""];
  const watchers = new Set<() => void>();
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    out += text;
    for (const watch of watchers) watch();
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => (err += text));
  const ended = new Promise<{ code: number | null; out: string; err: string; ms: number }>((resolve) => {
    child.on("close", (code) => resolve({ code, out, err, ms: performance.now() - began }));
  });
  const line = (pattern: RegExp): Promise<string> =>
    new Promise((resolve, reject) => {
      const watch = (): void => {
        const found = out.split("\n").find((one) => pattern.test(one));
        if (found !== undefined) resolve(found);
      };
      watchers.add(watch);
      watch();
      void ended.then((end) => reject(new Error(`the process ended: ${JSON.stringify(end)}`)));
    });
  return { process: child, line, ended };
}

/** Runs a module text; `@aster/rpc` resolves as for the tests. */
export function script(t: TestContext, text: string, env?: NodeJS.ProcessEnv): Child {
  return run(t, ["--input-type=module", "-e", text], env);
}
