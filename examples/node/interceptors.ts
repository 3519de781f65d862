// A call that is sent again until the server takes it.
import {
  AsterClient,
  AsterConfig,
  AsterServer,
  RetryInterceptor,
  Rpc,
  Service,
  UnavailableError,
  f,
  wireType,
} from "@aster/rpc";

class Num extends wireType("demo/Num", { value: f.int() }) {}

let attempts = 0;

@Service({ name: "Shaky", public: true })
class Shaky {
  @Rpc({ request: Num, response: Num, idempotent: true })
  async get(request: Num): Promise<Num> {
    if (++attempts < 3) throw new UnavailableError("not yet");
    return request;
  }
}

const config = new AsterConfig({ relayMode: "disabled", allowAllConsumers: true });
await using server = await AsterServer.start({ services: [new Shaky()], config });
const retry = new RetryInterceptor({ policy: { maxAttempts: 3, backoff: { initialMs: 10 } } });
await using client = await AsterClient.connect({ address: server.address, config, interceptors: [retry] });
const shaky = await client.client(Shaky);
await shaky.get({ value: 1 });
console.log("attempts", attempts, "ok");
