// Builds the addon with cargo and puts it where the loader looks first: native/aster.<triple>.node.
// `napi build` would do the same, but it compiles every dependency again.
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, renameSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { triple } from "./triple.mjs";

const root = fileURLToPath(new URL("../..", import.meta.url));
const profile = process.env.ASTER_PROFILE ?? "release";
if (profile !== "release" && profile !== "dev") {
  console.error(`ASTER_PROFILE: expected release or dev, got '${profile}'`);
  process.exit(1);
}
const cargo = ["build", "--locked", "-p", "aster-node", "--profile", profile];
const built = spawnSync("cargo", cargo, { cwd: root, stdio: "inherit" });
if (built.status !== 0) process.exit(built.status ?? 1);

const target = process.env.CARGO_TARGET_DIR ?? join(root, "target");
const library = { linux: "libaster_node.so", darwin: "libaster_node.dylib", win32: "aster_node.dll" }[process.platform];
const native = join(root, "ts", "native");
mkdirSync(native, { recursive: true });
// Renamed into place: a process may have the old file mapped.
const copy = join(native, ".aster.new");
copyFileSync(join(target, profile === "dev" ? "debug" : "release", library), copy);
renameSync(copy, join(native, `aster.${triple()}.node`));
