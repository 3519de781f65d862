// Serves Hello until it is told to stop; prints where.
import { AsterServer } from "@aster/rpc";
import { Hello } from "./hello.js";

const server = await AsterServer.start({ services: [new Hello()] });
server.installSignalHandlers();
console.log(`address ${server.address}`);
await server.serve();
