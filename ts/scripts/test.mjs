// Runs the compiled tests of tests/node; arguments choose files by a part of their name.
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const dist = fileURLToPath(new URL("../../tests/node/dist", import.meta.url));
const wanted = process.argv.slice(2);
const files = readdirSync(dist)
  .filter((file) => file.endsWith(".test.js") && (wanted.length === 0 || wanted.some((part) => file.includes(part))))
  .map((file) => join(dist, file));
const run = spawnSync(process.execPath, ["--test", ...files], { stdio: "inherit" });
process.exit(run.status ?? 1);
