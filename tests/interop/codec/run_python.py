"""The codec scenario in Python: `run_python.py SCENARIO`; prints the result as JSON."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from aster import ForyCodec, RpcError, all_of, any_of, rpc, service
from aster.dynamic import DynamicTypeFactory
from aster.json_codec import JsonProxyCodec


def main(scenario: dict[str, Any]) -> dict[str, Any]:
    description = scenario["description"]
    classes = DynamicTypeFactory(description["types"]).classes
    [method] = description["methods"]
    root = classes[scenario["root"]]
    codec, text = ForyCodec(types=[root]), JsonProxyCodec([root])

    def outcome(body: bytes) -> dict[str, Any]:
        try:
            value = text.decode(body, root)
            xlang = codec.encode(value)
            assert codec.decode(xlang) == value
            return {"xlang": xlang.hex(), "json": text.encode(value).decode()}
        except RpcError as error:
            return {"code": int(error.code), "message": error.message, "details": error.details}

    async def call(self: Any, request: Any) -> Any:
        raise NotImplementedError("nobody calls it")

    call.__annotations__ = {"request": classes[method["request"]], "return": classes[method["response"]]}
    options = {"timeout": method["timeout_s"], "idempotent": method["idempotent"], "requires": method["requires"]}
    declared = type("Codec", (), {method["name"]: rpc(**options)(call)})
    [(kind, roles)] = description["requires"].items()
    requires = {"any_of": any_of, "all_of": all_of}[kind](*roles)
    served = service(description["service"], version=description["version"], requires=requires)(declared)
    bodies = {**scenario["values"], **scenario["refused"]}
    return {
        "contract_id": served.__aster_service_info__.contract_id,
        "outcomes": {name: outcome(json.dumps(body, ensure_ascii=False).encode()) for name, body in bodies.items()},
    }


print(json.dumps(main(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))))
