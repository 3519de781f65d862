"""Annotations of Python as types of contracts (`contract.md` section 6).

Not here: rules about types in a contract, which core checks when the types are compiled.
"""

from __future__ import annotations

import ast
import collections.abc
import dataclasses
import datetime as dt
import decimal
import enum
import sys
import types
import typing
import uuid
from abc import abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, Union

from aster import _aster
from aster.types import NumberType

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from typing_extensions import TypeAlias

    Form: TypeAlias = Union[str, tuple[Any, ...]]


class HostType(NamedTuple):
    """A type as contracts name it, and how Python holds its values where there is a choice.

    A form is a name, or a name and the forms of the parts of a container.
    """

    text: str
    form: Form = ""


SCALARS: dict[Any, HostType] = {
    str: HostType("string"),
    int: HostType("int"),
    float: HostType("float"),
    bool: HostType("bool"),
    bytes: HostType("bytes"),
    dt.datetime: HostType("timestamp"),
    dt.date: HostType("date"),
    dt.timedelta: HostType("duration"),
    decimal.Decimal: HostType("decimal"),
    uuid.UUID: HostType("uuid", "uuid"),
}
_NAMED: dict[Any, HostType] = {
    **SCALARS,
    list: HostType("list<string>"),
    typing.List: HostType("list<string>"),  # noqa: UP006 - users write it
    dict: HostType("map<string,string>"),
    typing.Dict: HostType("map<string,string>"),  # noqa: UP006
}
_UNIONS: tuple[Any, ...] = (Union, getattr(types, "UnionType", Union))
_ANNOTATED = typing.get_origin(typing.Annotated[int, 0])
_OLDEST_WITH_UNION_OPERATOR = (3, 10)


class UnsupportedTypeError(Exception):
    """An annotation that no contract type stands for."""


class UnresolvedTypeError(Exception):
    """A string annotation that cannot be evaluated; the argument is its text."""


class Names(Protocol):
    """What gives messages and enums their tags."""

    @abstractmethod
    def message(self, cls: type[Any], arguments: tuple[HostType, ...]) -> str:
        """Return the tag of a dataclass, which is given its type arguments."""

    @abstractmethod
    def enum(self, cls: type[enum.Enum]) -> str:
        """Return the tag of an enum."""

    @abstractmethod
    def is_enum(self, tag: str) -> bool:
        """Tell whether a tag is that of an enum."""


@dataclass(frozen=True)
class Namespace:
    """Where names in string annotations are looked up, and what type variables stand for."""

    names: Mapping[str, Any]
    local_names: Mapping[str, Any]
    variables: Mapping[Any, HostType] = field(default_factory=dict[Any, Any])

    def resolve(self, annotation: Any) -> Any:
        """Evaluate an annotation if it is a string or a forward reference."""
        while isinstance(annotation, (str, typing.ForwardRef)):
            text = annotation if isinstance(annotation, str) else annotation.__forward_arg__
            try:
                annotation = self._evaluate(text)
            except Exception as error:
                raise UnresolvedTypeError(text) from error
        return annotation

    def _evaluate(self, text: str) -> Any:
        tree: Any = ast.parse(text.strip(), mode="eval")
        scope = dict(self.names)
        if sys.version_info < _OLDEST_WITH_UNION_OPERATOR:
            scope["__union__"] = _either
            tree = ast.fix_missing_locations(_UnionOperator().visit(tree))
        # The text is the user's own annotation, evaluated as typing.get_type_hints would.
        return eval(compile(tree, "<annotation>", "eval"), scope, dict(self.local_names))  # noqa: S307


def _either(left: Any, right: Any) -> Any:
    return Union[left, right]


class _UnionOperator(ast.NodeTransformer):
    """Makes `A | B` work before Python 3.10."""

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        if not isinstance(node.op, ast.BitOr):
            return node
        return ast.Call(ast.Name("__union__", ast.Load()), [node.left, node.right], [])


def message_class(annotation: Any) -> type[Any] | None:
    """Return the dataclass that an annotation names, with or without type arguments."""
    origin: Any = typing.get_origin(annotation) or annotation
    if not isinstance(origin, type) or not dataclasses.is_dataclass(origin):
        return None
    return None if issubclass(origin, enum.Enum) else origin


def shown(annotation: Any) -> str:
    """Return an annotation as people write it."""
    if isinstance(annotation, str):
        return annotation
    if isinstance(annotation, typing.ForwardRef):
        return annotation.__forward_arg__
    if isinstance(annotation, type) and not typing.get_args(annotation):
        return annotation.__qualname__
    return repr(annotation).replace("typing.", "")


def bare(annotation: Any, namespace: Namespace) -> Any:
    """Resolve an annotation and strip `Annotated`, `NewType` and aliases from it. Numbers of a width stay."""
    while True:
        annotation = namespace.resolve(annotation)
        if typing.get_origin(annotation) is _ANNOTATED:
            if number_type(annotation) is not None:
                return annotation
            annotation = typing.get_args(annotation)[0]
        elif hasattr(annotation, "__supertype__"):
            annotation = annotation.__supertype__
        elif type(annotation).__name__ == "TypeAliasType":
            annotation = annotation.__value__
        else:
            return annotation


def number_type(annotation: Any) -> NumberType | None:
    """Return the mark of a number of a width."""
    marks = getattr(annotation, "__metadata__", ())
    return next((mark for mark in marks if isinstance(mark, NumberType)), None)


def optional_of(annotation: Any) -> tuple[Any, bool]:
    """Split `Optional[T]` into `T` and true. Other unions stay whole."""
    if typing.get_origin(annotation) not in _UNIONS:
        return annotation, False
    parts = [part for part in typing.get_args(annotation) if part is not type(None)]
    optional = len(parts) < len(typing.get_args(annotation))
    return (parts[0], True) if optional and len(parts) == 1 else (annotation, False)


def host_type(annotation: Any, namespace: Namespace, names: Names) -> HostType:
    """Return the type of an annotation.

    `UnsupportedTypeError` if no contract type stands for it, `UnresolvedTypeError` if a name in it is unknown.
    """
    annotation = bare(annotation, namespace)
    mark = number_type(annotation)
    if mark is not None:
        return HostType(mark.name)
    inner, optional = optional_of(annotation)
    if optional:
        text, form = host_type(inner, namespace, names)
        return HostType(text.rstrip("?") + "?", form)
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return HostType(names.enum(annotation))
    arguments = typing.get_args(annotation)
    message = message_class(annotation)
    if message is not None:
        return HostType(names.message(message, tuple(host_type(part, namespace, names) for part in arguments)))
    if not arguments:
        return _named(annotation, namespace)
    return _composed(typing.get_origin(annotation), arguments, namespace, names)


def _composed(origin: Any, arguments: Sequence[Any], namespace: Namespace, names: Names) -> HostType:
    if type(origin).__name__ == "TypeAliasType":
        given = [host_type(part, namespace, names) for part in arguments]
        inside = dataclasses.replace(namespace, variables=dict(zip(origin.__type_params__, given)))
        return host_type(origin.__value__, inside, names)
    if origin is tuple and len(arguments) == 2 and arguments[1] is ...:  # noqa: PLR2004 - element and ellipsis
        arguments = arguments[:1]
    elif origin not in (list, set, frozenset, dict):
        raise UnsupportedTypeError
    parts = [host_type(part, namespace, names) for part in arguments]
    forms = [part.form for part in parts]
    if origin is dict:
        _require(parts[0], _aster.is_key_type, names)
        return HostType(f"map<{parts[0].text},{parts[1].text}>", ("", *forms))
    kind = "set" if origin in (set, frozenset) else "list"
    if kind == "set":
        _require(parts[0], _aster.is_scalar_type, names)
    form = origin.__name__ if origin in (tuple, frozenset) else ""
    return HostType(f"{kind}<{parts[0].text}>", (form, *forms))


def _require(part: HostType, is_allowed: Callable[[str], bool], names: Names) -> None:
    """Refuse a key or an element of a set that core does not allow there, while its annotation is at hand."""
    if not is_allowed(part.text) and not names.is_enum(part.text):
        raise UnsupportedTypeError


def _named(annotation: Any, namespace: Namespace) -> HostType:
    """Return the type of a name, or what a type variable stands for."""
    if not isinstance(annotation, collections.abc.Hashable):
        raise UnsupportedTypeError
    found = _NAMED.get(annotation) or namespace.variables.get(annotation)
    if found is None:
        raise UnsupportedTypeError
    return found
