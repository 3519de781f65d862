// Calls Hello at an address: node hello-client.js aster1...
import { AsterClient } from "@aster/rpc";
import { Hello } from "./hello.js";

await using client = await AsterClient.connect({ address: process.argv[2] });
const hello = await client.client(Hello);
const reply = await hello.sayHello({ name: "World" });
console.log(reply.message);
