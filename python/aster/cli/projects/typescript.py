"""A service, its server and its client in TypeScript."""

import json

SERVICE = """\
// The service: what both sides know of each other.
import { Rpc, Service, f, wireType } from "@aster/rpc";

export class HelloRequest extends wireType("hello/HelloRequest", { name: f.string() }) {}
export class HelloReply extends wireType("hello/HelloReply", { message: f.string() }) {}

@Service({ name: "Hello", version: 1, public: true })
export class Hello {
  @Rpc({ name: "say_hello", request: HelloRequest, response: HelloReply })
  async sayHello(request: HelloRequest): Promise<HelloReply> {
    return new HelloReply({ message: `Hello, ${request.name}!` });
  }
}
"""

SERVER = """\
// Serves Hello and prints its address. Stop it with Ctrl-C.
import { AsterServer } from "@aster/rpc";
import { Hello } from "./hello.js";

const server = await AsterServer.start({ services: [new Hello()] });
server.installSignalHandlers();
console.log(server.address);
await server.serve();
"""

CLIENT = """\
// Calls Hello at an address: npm run client aster1...
import { AsterClient } from "@aster/rpc";
import { Hello } from "./hello.js";

await using client = await AsterClient.connect({ address: process.argv[2] });
const hello = await client.client(Hello);
const reply = await hello.sayHello({ name: "World" });
console.log(reply.message);
"""

README = """\
# Hello

```
npm install
npm run build
npm run --silent server               # prints its address, aster1...
npm run --silent client aster1...     # in another terminal
aster call aster1... Hello.say_hello '{"name":"World"}'
```

`src/hello.ts` declares the service, `src/server.ts` serves it, `src/client.ts` calls it.
"""

_COMPILER = {
    "target": "ES2022",
    "module": "NodeNext",
    "moduleResolution": "NodeNext",
    "lib": ["ES2023", "ESNext.Disposable"],
    "types": ["node"],
    "rootDir": "src",
    "outDir": "dist",
    "strict": True,
    "verbatimModuleSyntax": True,
}


def files(version: str) -> dict[str, str]:
    """Return the files of the project by name, for this version of the package."""
    package = {
        "name": "hello",
        "private": True,
        "type": "module",
        "scripts": {"build": "tsc", "server": "node dist/server.js", "client": "node dist/client.js"},
        "dependencies": {"@aster/rpc": version},
        "devDependencies": {"@types/node": "^20.19.0", "typescript": "^5.9.0"},
    }
    return {
        "README.md": README,
        "package.json": _json(package),
        "src/client.ts": CLIENT,
        "src/hello.ts": SERVICE,
        "src/server.ts": SERVER,
        "tsconfig.json": _json({"compilerOptions": _COMPILER, "include": ["src"]}),
    }


def _json(value: object) -> str:
    return json.dumps(value, indent=2) + "\n"
