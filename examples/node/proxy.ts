// A client that has no class of the service: plain objects in, plain objects out.
import { AsterClient, AsterConfig, AsterServer } from "@aster/rpc";
import { Hello } from "./hello.js";

const config = new AsterConfig({ relayMode: "disabled", allowAllConsumers: true });
await using server = await AsterServer.start({ services: [new Hello()], config });
await using client = await AsterClient.connect({ address: server.address, config });
const hello = client.proxy<"sayHello">("Hello");
console.log(JSON.stringify(await hello.sayHello({ name: "World" })));
