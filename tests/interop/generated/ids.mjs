// Prints, for every generated client, its contract id and the one of what it declares.
import { readdirSync } from "node:fs";
import { contractIdFromService } from "@aster/rpc";

const services = new URL("./dist/made/services/", import.meta.url);
const found = {};
for (const file of readdirSync(services).filter((name) => name.endsWith(".js"))) {
  const exported = Object.values(await import(new URL(file, services)));
  const client = exported.find((value) => typeof value === "function");
  found[client._contract_id] = contractIdFromService(exported.find((value) => typeof value === "object"));
}
console.log(JSON.stringify(found));
