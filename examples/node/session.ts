// One object per session, closed with it.
import { AsterClient, AsterConfig, AsterServer, Rpc, Service, f, wireType } from "@aster/rpc";

class Num extends wireType("demo/Num", { value: f.int() }) {}

let closed = 0;

@Service({ name: "Counter", scoped: "session", public: true })
class Counter {
  #total = 0;

  @Rpc({ request: Num, response: Num })
  async add(request: Num): Promise<Num> {
    this.#total += request.value;
    return new Num({ value: this.#total });
  }

  onSessionClose(): void {
    closed++;
  }
}

const config = new AsterConfig({ relayMode: "disabled", allowAllConsumers: true });
await using server = await AsterServer.start({ services: [Counter], config });
await using client = await AsterClient.connect({ address: server.address, config });
{
  await using alice = await client.client(Counter);
  await using bob = await client.client(Counter);
  const [one, three] = [await alice.add({ value: 1 }), await alice.add({ value: 2 })];
  console.log("alice", one.value, three.value);
  console.log("bob", (await bob.add({ value: 5 })).value);
}
console.log("closed", closed);
