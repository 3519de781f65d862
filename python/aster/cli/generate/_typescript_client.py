"""The class of a TypeScript client, and the contract that it calls."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from aster.cli.generate._layout import Group, Part, lines
from aster.cli.generate._names import Names, camel_case, javascript_name, words
from aster.cli.generate._typescript_types import RESERVED_CLASSES, STEP
from aster.cli.generate._typescript_values import BARE, Scope, comment, docs, entry, key, number_literal, text_literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aster.cli.generate._model import FieldModel, MethodModel, ServiceModel
    from aster.cli.generate._python_types import TypeNames

_DECLARATIONS = {
    "unary": "Rpc",
    "server_stream": "ServerStream",
    "client_stream": "ClientStream",
    "bidi_stream": "BidiStream",
}
# What clients have themselves, and what the language reads meaning into.
_OWN = words("__proto__ close constructor onSessionClose then toJSON toString valueOf")


def client_names(service: ServiceModel, names: TypeNames) -> tuple[str, str]:
    """Return the names of the contract and of the client class."""
    taken = Names([*names.classes.values(), *RESERVED_CLASSES])
    return taken.take(javascript_name(service.name)), taken.take(javascript_name(f"{service.name}Client"))


def client_body(service: ServiceModel, names: TypeNames) -> tuple[list[str], set[str]]:
    """Return the lines of the contract and the class, and the names of `@aster/rpc` that they use."""
    writer = _Writer(service, names)
    return writer.lines(), writer.used


class _Writer:
    def __init__(self, service: ServiceModel, names: TypeNames) -> None:
        self._service = service
        self._names = names
        self._contract, self._client = client_names(service, names)
        self._scope = Scope(names.classes, service.types, names.members, set(names.classes.values()))
        taken = Names()
        self._methods = {one.name: taken.take(_method_name(one.name)) for one in service.methods}
        self.used = {"AsterClient", "Stub", "ServiceDefinition", "defineService"}

    def lines(self) -> list[str]:
        """Return the lines of the module."""
        service, manifest = self._service, self._service.manifest
        stub = f"{self._client}Stub"
        options = f"{self._client}Options"
        definition = f"typeof {self._contract} extends ServiceDefinition<infer S extends object> ? Stub<S> : never"
        wire_types = Group("static readonly _wire_types = [", sorted(self._names.classes.values()), "] as const;")
        out = [
            *comment(f"The contract of {service.name} v{service.version}.", ""),
            *self._definition(),
            "",
            f"type {stub} = {definition};",
            f'type {options} = Parameters<AsterClient["client"]>[1];',
            "",
            *comment(_described(f"Client of {service.name} v{service.version}.", manifest), ""),
            f"export class {self._client} implements AsyncDisposable {{",
            f"{STEP}static readonly _service_name = {text_literal(service.name)};",
            f"{STEP}static readonly _service_version = {service.version};",
            f'{STEP}static readonly _contract_id = "{manifest.contract_id}";',
            *lines(wire_types, STEP, STEP),
            f"{STEP}readonly #stub: {stub};",
            "",
            f"{STEP}constructor(stub: {stub}) {{",
            f"{STEP * 2}this.#stub = stub;",
            f"{STEP}}}",
            "",
            *comment(self._opening(), STEP),
            f"{STEP}static async fromConnection(",
            f"{STEP * 2}client: {{ client(service: typeof {self._contract}, options?: {options}): Promise<{stub}> }},",
            f"{STEP * 2}options?: {options},",
            f"{STEP}): Promise<{self._client}> {{",
            f"{STEP * 2}return new {self._client}(await client.client({self._contract}, options));",
            f"{STEP}}}",
        ]
        for method in service.methods:
            out += ["", *self._method(method)]
        return [*out, "", *self._closing(), "}"]

    def _opening(self) -> str:
        opened = ", with a session of its own" if self._service.manifest.scoped == "session" else ""
        return (
            f"Returns a client of the service that a connected client reaches{opened}. Options are those of `client`."
        )

    def _closing(self) -> list[str]:
        session = self._service.manifest.scoped == "session"
        told = "Ends the session." if session else "Lets go of the service; the connection stays."
        return [
            *comment(told, STEP),
            f"{STEP}close(): Promise<void> {{",
            f"{STEP * 2}return this.#stub.close();",
            f"{STEP}}}",
            "",
            f"{STEP}[Symbol.asyncDispose](): Promise<void> {{",
            f"{STEP * 2}return this.close();",
            f"{STEP}}}",
        ]

    def _definition(self) -> list[str]:
        manifest = self._service.manifest
        parts: list[Part] = [f"name: {text_literal(self._service.name)}", f"version: {self._service.version}"]
        if manifest.scoped == "session":
            parts.append('scoped: "session"')
        if manifest.serialization_modes != ["xlang"]:
            modes = [f"SerializationMode.{mode.upper()}" for mode in manifest.serialization_modes]
            parts.append(Group("serialization: [", modes, "]"))
            self.used.add("SerializationMode")
        if manifest.producer_language not in {"", "typescript"}:
            parts.append(f"producerLanguage: {text_literal(manifest.producer_language)}")
        parts += [*self._requires(manifest.requires), *_metadata(manifest)]
        methods: list[Part] = [self._declaration(method) for method in self._service.methods]
        parts.append(Group("methods: {", methods, "}", " "))
        return lines(Group(f"export const {self._contract} = defineService({{", parts, "});", " "), "", STEP)

    def _declaration(self, method: MethodModel) -> Part:
        name = self._methods[method.name]
        parts: list[Part] = [] if name == method.name else [entry("name", text_literal(method.name))]
        parts += [f"request: {self._root(method.request)}", f"response: {self._root(method.response)}"]
        if method.timeout is not None:
            parts.append(f"timeout: {_milliseconds(method.timeout)}")
        if method.idempotent:
            parts.append(f"idempotent: true{' as never' if method.pattern == 'bidi_stream' else ''}")
        parts += [*self._requires(method.requires), *_metadata(method)]
        declared = _DECLARATIONS[method.pattern]
        self.used.add(declared)
        return Group(f"{key(name)}: {declared}({{", parts, "})", " ")

    def _root(self, root: str) -> str:
        known = self._names.classes.get(root)
        if known is None:
            self.used.add("f")
        return BARE[root][0] if known is None else known

    def _type(self, root: str) -> str:
        known = self._names.classes.get(root)
        return BARE[root][1] if known is None else known

    def _requires(self, requires: Mapping[str, Any] | None) -> list[Part]:
        if requires is None:
            return []
        roles = [text_literal(role) for role in requires["roles"]]
        if requires["kind"] == "role":
            return [f"requires: {roles[0]}"]
        name = {"any_of": "anyOf", "all_of": "allOf"}[requires["kind"]]
        self.used.add(name)
        return [Group(f"requires: {name}(", roles, ")")]

    def _method(self, method: MethodModel) -> list[str]:
        self.used.add("CallOptions")
        name = self._methods[method.name]
        request, response = self._type(method.request), self._type(method.response)
        about = comment(_described("", method), STEP)
        if method.pattern == "bidi_stream":
            return [*about, *self._bidi(name, request, response)]
        answer = f"ServerStreamCall<{response}>" if method.streams_output else f"Promise<{response}>"
        self.used |= {"ServerStreamCall"} if method.streams_output else set()
        if method.inline:
            message = self._service.message(method.request)
            first, passed = self._parameters(message.fields if message else (), method.request, request)
        elif method.streams_input:
            self.used.add("Source")
            first, passed = f"source: Source<{request}>", "source"
        else:
            first, passed = f"request: {request}", "request"
        head: Part = Group(f"{key(name)}(", [first, "options?: CallOptions"], f"): {answer} {{")
        call = f"{STEP * 2}return {self._stub(name)}({passed}, options);"
        return [*about, *lines(head, STEP, STEP), call, f"{STEP}}}"]

    def _parameters(self, fields: tuple[FieldModel, ...], tag: str, request: str) -> tuple[Part, str]:
        properties = self._names.members[tag]
        given = [
            f"{key(properties[field.name])}{'' if field.default == 'none' else '?'}: {self._scope.type(field.type)}"
            for field in fields
        ]
        shown = "; ".join(given)
        whole = f"parameters: {{ {shown} }}" if given else "parameters: Record<string, never>"
        optional = "" if any(field.default == "none" for field in fields) else " = {}"
        return f"{whole}{optional}", f"new {request}(parameters)"

    def _stub(self, name: str) -> str:
        shown = key(name)
        return f"this.#stub.{name}" if shown == name else f"this.#stub[{text_literal(name)}]"

    def _bidi(self, name: str, request: str, response: str) -> list[str]:
        self.used |= {"BidiChannel", "ServerStreamCall", "Source"}
        channel, stream = f"BidiChannel<{request}, {response}>", f"ServerStreamCall<{response}>"
        return [
            f"{STEP}{key(name)}(options?: CallOptions): {channel};",
            f"{STEP}{key(name)}(source: Source<{request}>, options?: CallOptions): {stream};",
            f"{STEP}{key(name)}(...given: unknown[]): {channel} | {stream} {{",
            f"{STEP * 2}return Reflect.apply({self._stub(name)}, undefined, given);",
            f"{STEP}}}",
        ]


def _method_name(text: str) -> str:
    name = camel_case(text)
    return f"{name}_" if name in _OWN else name


def _metadata(of: Any) -> list[Part]:
    parts = docs(of.description, of.tags, of.deprecated)
    return [Group("metadata: {", parts, "}", " ")] if parts else []


def _described(title: str, of: Any) -> str:
    parts = [title, of.description, "@deprecated" if of.deprecated else ""]
    text = "\n\n".join(part for part in parts if part.strip())
    return text or f"Calls `{of.name}`."


def _milliseconds(seconds: float) -> str:
    """Return the milliseconds that are these seconds to the last bit. `ValueError` if no number is."""
    near = seconds * 1000
    for found in (near, math.nextafter(near, 0), math.nextafter(near, math.inf)):
        if found / 1000 == seconds:
            return number_literal(found)
    raise ValueError(f"no number of milliseconds is exactly the timeout of {seconds!r} s")
