"""The class of a Python client."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aster._identifiers import python_member, python_name
from aster.cli.generate._layout import Group, Part
from aster.cli.generate._names import Names
from aster.cli.generate._python_types import RESERVED_CLASSES, STEP, statement
from aster.cli.generate._python_values import BARE, BUILTINS, Scope, docstring, float_literal, text_literal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aster.cli.generate._model import FieldModel, MethodModel, ServiceModel
    from aster.cli.generate._python_types import TypeNames

_BASES = {
    "unary": "Unary",
    "server_stream": "ServerStream",
    "client_stream": "ClientStream",
    "bidi_stream": "BidiStream",
}
# Attributes that clients and stubs have themselves.
_OWN = frozenset(["aster", "close", "from_connection", "service_name", "service_version", "with_defaults"])
_OWN_OF_SESSIONS = frozenset({"cancel", "session_id"})
_OPTIONS = ("metadata", "timeout", "serialization")


def client_name(service: ServiceModel) -> str:
    """Return the name of the client class of a service."""
    return python_name(f"{service.name}Client")


def client_class(service: ServiceModel, names: TypeNames) -> tuple[list[str], set[str], list[str]]:
    """Return the lines of the class, the names it uses, and those of `aster.generated`."""
    writer = _Writer(service, names)
    return writer.lines(), writer.used, sorted(writer.bases)


class _Writer:
    def __init__(self, service: ServiceModel, names: TypeNames) -> None:
        self._service = service
        self._names = names
        session = service.manifest.scoped == "session"
        base = "GeneratedSessionClient" if session else "GeneratedClient"
        reserved = {
            *_OWN,
            *(_OWN_OF_SESSIONS if session else ()),
            *names.classes.values(),
            *RESERVED_CLASSES,
        } - BUILTINS
        taken = Names()
        self._methods = {one.name: taken.take(_method_name(one.name, reserved)) for one in service.methods}
        self._scope = Scope(names.classes, service.types, names.members, set(self._methods.values()))
        self._base = base
        self.bases = {base, *(_BASES[one.pattern] for one in service.methods)}
        self._abstract: set[str] = set()

    @property
    def used(self) -> set[str]:
        """Names that the class needs from modules."""
        return self._scope.used | self._abstract

    def lines(self) -> list[str]:
        """Return the lines of the class."""
        service, manifest = self._service, self._service.manifest
        tags = sorted(self._names.classes, key=self._names.classes.__getitem__)
        listed = [self._names.classes[tag] for tag in tags]
        types = Group("_wire_types = (", listed, ")") if len(listed) != 1 else f"_wire_types = ({listed[0]},)"
        out = [
            *self._class_line(),
            *docstring(_described(f"Client of {service.name} v{service.version}.", manifest), STEP),
            "",
            *statement(f"_service_name = {text_literal(service.name)}", STEP),
            f"{STEP}_service_version = {service.version}",
            f'{STEP}_contract_id = "{manifest.contract_id}"',
            *statement(types, STEP),
        ]
        for method in service.methods:
            out += self._constant(method)
        for method in service.methods:
            out += ["", *self._method(method)]
        return out

    def _class_line(self) -> list[str]:
        manifest = self._service.manifest
        parts: list[Part] = [self._base]
        if manifest.serialization_modes != ["xlang"]:
            modes = [f"aster.SerializationMode.{mode.upper()}" for mode in manifest.serialization_modes]
            parts.append(Group("modes=[", modes, "]"))
        if manifest.producer_language:
            parts.append(f"producer_language={text_literal(manifest.producer_language)}")
        parts += [*_requires(manifest.requires), *_metadata(manifest)]
        return statement(Group(f"class {client_name(self._service)}(", parts, "):"), "")

    def _constant(self, method: MethodModel) -> list[str]:
        parts: list[Part] = [text_literal(method.name), self._type(method.request), self._type(method.response)]
        if method.timeout is not None:
            parts.append(f"timeout={float_literal(method.timeout)}")
        if method.idempotent:
            parts.append("idempotent=True")
        parts += [*_requires(method.requires), *_metadata(method)]
        if method.inline:
            names = [text_literal(name) for name in self._parameters(method)]
            parts.append(Group("inline=[", names, "]"))
        return statement(Group(f"_call_{self._methods[method.name]} = {_BASES[method.pattern]}(", parts, ")"), STEP)

    def _type(self, root: str) -> str:
        known = self._names.classes.get(root)
        return self._scope.builtin(BARE[root]) if known is None else known

    def _parameters(self, method: MethodModel) -> dict[str, FieldModel]:
        message = self._service.message(method.request)
        members = self._names.members[method.request]
        return {members[field.name]: field for field in message.fields} if message else {}

    def _method(self, method: MethodModel) -> list[str]:
        request, response = self._type(method.request), self._type(method.response)
        parameters = self._parameters(method) if method.inline else {}
        options = [name for name in _OPTIONS if name not in parameters]
        given, argument = self._arguments(method, request, parameters)
        if options:
            given += [] if "*" in given else ["*"]
            given += [f"{name}: {self._option(name)}" for name in options]
        answer = {
            "server_stream": f"AsyncIterator[{response}]",
            "bidi_stream": f"aster.BidiChannel[{request}, {response}]",
        }.get(method.pattern, response)
        self._abstract |= {"AsyncIterator"} if method.pattern == "server_stream" else set()
        passed: list[Part] = [f"self._call_{self._methods[method.name]}", argument]
        passed += [name if name in options else "None" for name in _OPTIONS]
        awaited = method.pattern in {"unary", "client_stream"}
        head = f"{'async def' if awaited else 'def'} {self._methods[method.name]}("
        call = Group(f"return {'await ' if awaited else ''}self._{method.pattern}(", passed, ")")
        return [
            *statement(Group(head, ["self", *given], f") -> {answer}:"), STEP),
            *docstring(_described("", method), STEP * 2),
            *statement(call, STEP * 2),
        ]

    def _arguments(
        self, method: MethodModel, request: str, parameters: Mapping[str, FieldModel]
    ) -> tuple[list[str], Part]:
        """Return the parameters of a method before its options, and what it sends."""
        if method.inline:
            made = Group(f"{request}(", [f"{name}={name}" for name in parameters], ")")
            return self._inline(request, parameters), made
        if not method.streams_input:
            return [f"request: {request}", "/"], "request"
        self._abstract |= {"AsyncIterable", "Iterable"}
        items = f"AsyncIterable[{request}] | Iterable[{request}]"
        if method.pattern == "client_stream":
            return [f"requests: {items}", "/"], "requests"
        return [f"items: {items} | None = None", "/"], "items"

    def _option(self, name: str) -> str:
        if name == "metadata":
            self._abstract.add("Mapping")
            text = self._scope.builtin("str")
            return f"Mapping[{text}, {text}] | None = None"
        kind = "aster.SerializationMode" if name == "serialization" else self._scope.builtin("float")
        return f"{kind} | None = None"

    def _inline(self, request: str, parameters: Mapping[str, FieldModel]) -> list[str]:
        out: list[str] = []
        has_default = False
        for name, field in parameters.items():
            shown = f"{name}: {self._scope.annotation(field.type)}"
            if field.default == "none":
                # What must be given cannot follow what need not, unless it goes by its name.
                out += ["*"] if has_default and "*" not in out else []
                out.append(shown)
                continue
            has_default = True
            default = self._scope.default(field, ())
            out.append(f"{shown} = {default if isinstance(default, str) else f'{request}().{name}'}")
        return out


def _method_name(text: str, reserved: set[str]) -> str:
    name = python_member(text, reserved)
    return f"x{name}" if name.startswith("_") else name


def _requires(requires: Mapping[str, Any] | None) -> list[Part]:
    if requires is None:
        return []
    roles: Sequence[str] = [text_literal(role) for role in requires["roles"]]
    if requires["kind"] == "role":
        return [f"requires={roles[0]}"]
    return [Group(f"requires=aster.{requires['kind']}(", roles, ")")]


def _metadata(of: Any) -> list[Part]:
    if not (of.description or of.tags or of.deprecated):
        return []
    parts: list[Part] = [text_literal(of.description)]
    if of.tags:
        parts.append(Group("[", [text_literal(tag) for tag in of.tags], "]"))
    if of.deprecated:
        parts.append("deprecated=True")
    return [Group("metadata=aster.Metadata(", parts, ")")]


def _described(title: str, of: Any) -> str:
    parts = [title, of.description, "Deprecated." if of.deprecated else ""]
    text = "\n\n".join(part for part in parts if part.strip())
    return text or f"Call `{of.name}`."
