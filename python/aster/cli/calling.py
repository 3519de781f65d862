"""Calls of a service by names and JSON, as its contract describes them."""

from __future__ import annotations

import contextlib
import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aster import _aster
from aster.cli.failures import CommandError
from aster.cli.manifests import contract_of
from aster.cli.signatures import required
from aster.interceptors import Interceptor
from aster.proxies import SessionProxyClient
from aster.rpc_types import RpcPattern, RpcScope
from aster.status import RpcError, StatusCode

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Iterable

    from aster._streams import BidiChannel, ResponseStream
    from aster.client import AsterClient
    from aster.context import CallContext
    from aster.contract import ContractManifest
    from aster.proxies import ProxyCalls
    from aster.service import ServiceSummary


@dataclass
class CallOptions(Interceptor):
    """Metadata and time limit, in seconds, of every call."""

    metadata: dict[str, str] = field(default_factory=dict[str, str])
    deadline: float | None = None

    async def on_start(self, ctx: CallContext) -> None:
        """Add them to a call."""
        ctx.metadata.update(self.metadata)
        if self.deadline is not None:
            ctx.deadline = time.time() + self.deadline


def find_service(client: AsterClient, name: str) -> ServiceSummary:
    """Return what the peer says of a service; of several versions the highest."""
    services = client.services
    found = [summary for summary in services if summary.name == name]
    if not found:
        available = ", ".join(sorted({summary.name for summary in services}))
        raise CommandError(f"service '{name}' not found. Available: {available}")
    return max(found, key=lambda summary: summary.version)


class Service:
    """A service of a peer, with its contract if that can be had."""

    def __init__(self, client: AsterClient, summary: ServiceSummary, manifest: ContractManifest | None) -> None:
        self.client = client
        self.summary = summary
        self.manifest = manifest
        self._methods: dict[str, dict[str, Any]] = {}
        self._codec: _aster.Codec | None = None
        if manifest is not None:
            self._methods = {method["name"]: method for method in manifest.methods}
            if manifest.verified:
                described = json.loads(_aster.description_of_manifest(manifest.to_json()))
                self._codec = _aster.Codec(json.dumps(described["types"]), {}, {})

    @classmethod
    async def of(cls, client: AsterClient, name: str) -> Service:
        """Find a service by its name, and its contract."""
        summary = find_service(client, name)
        return cls(client, summary, await contract_of(client, summary))

    @property
    def is_session(self) -> bool:
        """Whether calls need a session."""
        return self.summary.pattern == RpcScope.SESSION.value

    def method(self, name: str) -> dict[str, Any] | None:
        """Return what the contract says of a method; nothing without a contract. `CommandError` if it has none."""
        if self.manifest is None:
            return None
        if name not in self._methods:
            available = ", ".join(sorted(self._methods))
            raise CommandError(f"service '{self.summary.name}' has no method '{name}'. Available: {available}")
        return self._methods[name]

    def fields(self, name: str) -> list[dict[str, Any]] | None:
        """Return the fields of a method's request; nothing if they are not known."""
        method = self.method(name)
        return None if method is None else method.get("fields")

    @property
    def types(self) -> dict[str, dict[str, Any]]:
        """Messages and enums by tag."""
        return {} if self.manifest is None else self.manifest.types

    def pattern(self, name: str) -> RpcPattern | None:
        """Return the pattern of a method; nothing if it is not known."""
        method = self.method(name)
        return None if method is None else RpcPattern(method["pattern"])

    def request(self, name: str, message: Any) -> Any:
        """Return a request as calls take it, made of JSON. `ContractViolationError` if it does not fit."""
        root = self._root(name, "request")
        return message if root is None else root.decode_json(json.dumps(message, ensure_ascii=False).encode())

    def response(self, name: str, message: Any) -> Any:
        """Return the JSON of a response."""
        root = self._root(name, "response")
        return message if root is None else json.loads(root.encode_json(message))

    def _root(self, name: str, side: str) -> _aster.RootCodec | None:
        method = self.method(name)
        if method is None or self._codec is None:
            return None
        # A message by its tag, or a bare scalar.
        return self._codec.root(method[f"{side}_wire_tag"] or method[f"{side}_type"])

    def explained(self, error: RpcError, name: str) -> Exception:
        """Add to a refusal what is required and what we have."""
        if error.code != StatusCode.PERMISSION_DENIED:
            return error
        ours = self.client.attributes.get("aster.role", "")
        hint = f"you have {ours}" if ours else "you have no roles"
        method = self._methods.get(name, {})
        manifest: dict[str, Any] = {} if self.manifest is None else self.manifest.data
        needed = " and ".join(required(found) for found in (manifest.get("requires"), method.get("requires")) if found)
        return CommandError.of_call(error, f"requires {needed}; {hint}" if needed else hint)


class Calls:
    """Calls of a service, in a session if it needs one. Messages are JSON values, checked before they are sent."""

    def __init__(self, service: Service, calls: ProxyCalls) -> None:
        self._service = service
        self._calls = calls

    @classmethod
    @contextlib.asynccontextmanager
    async def opened(cls, service: Service) -> AsyncGenerator[Calls, None]:
        """Open a session if the service needs one, and close it at the end."""
        calls = service.client._calls_of(service.summary)  # noqa: SLF001 - of this package
        manifest = service.manifest
        calls.know(None if manifest is None or not manifest.verified else manifest.to_json())
        if not service.is_session:
            yield cls(service, calls)
            return
        async with await SessionProxyClient.open(calls):
            yield cls(service, calls)

    async def unary(self, name: str, message: Any) -> Any:
        """Send a message and return the response."""
        request = self._service.request(name, message)
        response = await self._calls.method(name, RpcPattern.UNARY)(request)
        return self._service.response(name, response)

    async def server_stream(self, name: str, message: Any) -> AsyncGenerator[Any, None]:
        """Send a message; iterate the responses."""
        request = self._service.request(name, message)
        responses: ResponseStream[Any] = self._calls.method(name, RpcPattern.SERVER_STREAM)(request)
        try:
            async for response in responses:
                yield self._service.response(name, response)
        finally:
            await responses.aclose()

    async def client_stream(self, name: str, items: AsyncIterator[Any]) -> Any:
        """Send messages and return the response."""
        response = await self._calls.method(name, RpcPattern.CLIENT_STREAM)(self._requests(name, items))
        return self._service.response(name, response)

    async def bidi(self, name: str, items: AsyncIterator[Any]) -> AsyncGenerator[Any, None]:
        """Send messages; iterate the responses meanwhile."""
        channel: BidiChannel[Any, Any] = self._calls.method(name, RpcPattern.BIDI_STREAM)(self._requests(name, items))
        try:
            async for response in channel:
                yield self._service.response(name, response)
        finally:
            await channel.cancel()

    async def _requests(self, name: str, items: AsyncIterator[Any]) -> AsyncIterator[Any]:
        async for item in items:
            yield self._service.request(name, item)


def option_pairs(values: Iterable[str]) -> dict[str, str]:
    """Read `K=V` options. `ValueError` for one without `=`."""
    pairs: dict[str, str] = {}
    for value in values:
        key, equals, text = value.partition("=")
        if not equals or not key:
            raise ValueError(f"expected K=V, got {value!r}")
        pairs[key] = text
    return pairs
