"""What coding agents should know of Aster RPC in a project."""

AGENTS_FILE = "AGENTS.md"
NAME = "AGENTS_aster.md"
LINK = f"Remote calls in this project use Aster RPC: read [{NAME}]({NAME}) before you touch them.\n"

TEXT = """\
# Aster RPC in this project

Peer-to-peer RPC: the address of a server is its public key. Services are declared in code; there are no IDL files.

## Rules

- A service's methods, message fields and their types are its contract, and the contract has an id. Changing them
  changes the id: readers are upgraded before writers, or the service gets a new `version`. Documentation, defaults and
  metadata do not count.
- Every message has a tag, `package/Name`, that must not change. Every field has a default.
- Four kinds of methods: unary, server stream, client stream, bidi stream. Never block the event loop in one.
- Errors that callers should see are `RpcError` with a status code. Anything else reaches them as UNKNOWN.
- A server without a root key lets everybody in: that is for development. `public` says that a service is meant to be
  open; `requires` names roles.
- Secrets are `root.key`, `.aster-identity`, credentials (`*.cred`) and tickets that carry one. Never commit or print
  them.

## Commands

```
aster service ls ADDRESS                        what a server offers
aster service describe ADDRESS SERVICE          methods, types, requirements
aster call ADDRESS SERVICE.METHOD '{..}' --json one call; failures are JSON on standard error
aster contract gen --service MODULE:CLASS       writes .aster/manifest.json; commit it
aster contract gen --service MODULE:CLASS --check
aster contract gen-client ADDRESS --out DIR     typed client, Python or TypeScript
```

A server whose contract differs from `.aster/manifest.json` does not start. If the change is meant, run
`aster contract gen` again. Tests run offline with `ASTER_RELAY_MODE=disabled`.
"""
