// A deadline and an AbortSignal, seen from both sides.
import { once } from "node:events";
import { AsterClient, AsterConfig, AsterServer, type CallContext, Rpc, RpcError, Service, f, wireType } from "@aster/rpc";

class Num extends wireType("demo/Num", { value: f.int() }) {}

let aborts = 0;
let started = (): void => {};
const handlers: Promise<void>[] = [];

@Service({ name: "Patient", public: true })
class Patient {
  @Rpc({ request: Num, response: Num })
  async wait(request: Num, context: CallContext): Promise<Num> {
    const aborted = once(context.signal, "abort").then(() => void aborts++);
    handlers.push(aborted);
    started();
    await aborted;
    return request;
  }
}

const config = new AsterConfig({ relayMode: "disabled", allowAllConsumers: true });
await using server = await AsterServer.start({ services: [new Patient()], config });
await using client = await AsterClient.connect({ address: server.address, config });
const patient = await client.client(Patient);

function report(error: unknown): void {
  console.log(error instanceof RpcError ? error.codeName : error);
}

await patient.wait({ value: 1 }, { timeout: 1000 }).catch(report);

const controller = new AbortController();
started = () => controller.abort();
await patient.wait({ value: 2 }, { signal: controller.signal }).catch(report);

await Promise.all(handlers);
console.log("handler saw", aborts, "aborts");
