"""Annotations of Python as type texts of contracts (`contract.md` section 6).

Not here: rules about types in a contract, which core checks when the description is compiled.
"""

from __future__ import annotations

import ast
import collections.abc
import dataclasses
import sys
import types
import typing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Union

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PRIMITIVES: dict[Any, str] = {str: "string", int: "int", float: "float", bool: "bool", bytes: "bytes"}
_KEYS = frozenset({"string", "int", "bool"})
_BARE_CONTAINERS: dict[Any, str] = {
    list: "list<string>",
    typing.List: "list<string>",  # noqa: UP006 - users write it
    dict: "map<string,string>",
    typing.Dict: "map<string,string>",  # noqa: UP006
}
_UNIONS: tuple[Any, ...] = (Union, getattr(types, "UnionType", Union))
_OLDEST_WITH_UNION_OPERATOR = (3, 10)


class UnsupportedTypeError(Exception):
    """An annotation that no contract type stands for."""


class UnresolvedTypeError(Exception):
    """A string annotation that cannot be evaluated; the argument is its text."""


@dataclass(frozen=True)
class Namespace:
    """Where names in string annotations are looked up."""

    names: Mapping[str, Any]
    local_names: Mapping[str, Any]

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
            scope["__union__"] = lambda left, right: Union[left, right]
            tree = ast.fix_missing_locations(_UnionOperator().visit(tree))
        # The text is the user's own annotation, evaluated as typing.get_type_hints would.
        return eval(compile(tree, "<annotation>", "eval"), scope, dict(self.local_names))  # noqa: S307


class _UnionOperator(ast.NodeTransformer):
    """Makes `A | B` work before Python 3.10."""

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        if not isinstance(node.op, ast.BitOr):
            return node
        return ast.Call(ast.Name("__union__", ast.Load()), [node.left, node.right], [])


def is_message(annotation: Any) -> bool:
    """Tell whether an annotation is a dataclass."""
    return isinstance(annotation, type) and dataclasses.is_dataclass(annotation)


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
    """Resolve an annotation and strip `Annotated`, `NewType` and aliases from it."""
    while True:
        annotation = namespace.resolve(annotation)
        if typing.get_origin(annotation) is _ANNOTATED:
            annotation = typing.get_args(annotation)[0]
        elif hasattr(annotation, "__supertype__"):
            annotation = annotation.__supertype__
        elif type(annotation).__name__ == "TypeAliasType":
            annotation = annotation.__value__
        else:
            return annotation


_ANNOTATED = typing.get_origin(typing.Annotated[int, 0])


def optional_of(annotation: Any) -> tuple[Any, bool]:
    """Split `Optional[T]` into `T` and true. Other unions stay whole."""
    if typing.get_origin(annotation) not in _UNIONS:
        return annotation, False
    parts = [part for part in typing.get_args(annotation) if part is not type(None)]
    optional = len(parts) < len(typing.get_args(annotation))
    return (parts[0], True) if optional and len(parts) == 1 else (annotation, False)


def type_text(annotation: Any, namespace: Namespace, message: Callable[[type[Any]], str]) -> str:
    """Return the type text of an annotation; `message` gives the tag of a dataclass."""
    annotation = bare(annotation, namespace)
    inner, optional = optional_of(annotation)
    if optional:
        return type_text(inner, namespace, message).rstrip("?") + "?"
    if is_message(annotation):
        return message(annotation)
    primitive = PRIMITIVES.get(annotation) if isinstance(annotation, type) else None
    if primitive is not None:
        return primitive
    if isinstance(annotation, collections.abc.Hashable) and annotation in _BARE_CONTAINERS:
        return _BARE_CONTAINERS[annotation]
    return _container_text(annotation, namespace, message)


def _container_text(annotation: Any, namespace: Namespace, message: Callable[[type[Any]], str]) -> str:
    if typing.get_origin(annotation) not in (list, dict):
        raise UnsupportedTypeError
    parts = [type_text(part, namespace, message) for part in typing.get_args(annotation)]
    if typing.get_origin(annotation) is list:
        return f"list<{parts[0]}>"
    if parts[0] not in _KEYS:
        raise UnsupportedTypeError
    return f"map<{parts[0]},{parts[1]}>"
