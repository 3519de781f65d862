// Makes `import "@aster/rpc"` work in examples and tests: a link to this package, as npm makes for `file:`.
import { lstatSync, mkdirSync, rmSync, symlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));
for (const folder of ["examples/node", "tests/node"]) {
  const link = join(root, folder, "node_modules", "@aster", "rpc");
  mkdirSync(dirname(link), { recursive: true });
  if (lstatSync(link, { throwIfNoEntry: false })) rmSync(link, { recursive: true });
  symlinkSync(join(root, "ts"), link, process.platform === "win32" ? "junction" : "dir");
}
