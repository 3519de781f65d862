"""Arguments of calls as people type them: `key=value`, one JSON object, one bare value (`cli.md` section 3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from aster.cli.failures import USAGE, CommandError, PayloadError
from aster.cli.input import Payload, parse

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from aster.cli.input import Fields, Types


class Arguments(Payload):
    """Words of a command line as the payload of a call."""

    def __init__(self, words: Sequence[str]) -> None:
        is_json = len(words) == 1 and words[0].lstrip()[:1] in {"{", "["}
        super().__init__(words[0] if is_json else None)
        self._words = [] if is_json else list(words)

    async def message(self, fields: Fields | None = None, types: Types | None = None) -> Any:
        """Return the one message."""
        if not self._words:
            return {} if self.text is None else await super().message()
        return message_of(self._words, fields, types or {})

    async def items(self, fields: Fields | None = None, types: Types | None = None) -> AsyncIterator[Any]:
        """Yield the one message that is given, those of an array, or those of standard input."""
        if self._words:
            yield message_of(self._words, fields, types or {})
            return
        async for item in super().items():
            yield item


def message_of(words: Sequence[str], fields: Fields | None, types: Types) -> dict[str, Any]:
    """Return the message that words make, by the descriptors of its fields if they are known."""
    known = None if fields is None else {field["name"]: field for field in fields}
    message: dict[str, Any] = {}
    for word in words:
        key, equals, text = word.partition("=")
        is_pair = bool(equals) and (known is None or key.split(".")[0] in known or len(words) > 1)
        if is_pair:
            _set(message, key, text, known, types)
        elif known is not None and len(words) == 1 and len(known) == 1:
            (name, field), *_ = known.items()
            message[name] = _value(word, field)
        else:
            raise CommandError(f"expected key=value, got {word!r}", status=USAGE)
    return message


def _set(message: dict[str, Any], key: str, text: str, known: Mapping[str, Any] | None, types: Types) -> None:
    *outer, last = key.split(".")
    place, fields = message, known
    for name in outer:
        field = None if fields is None else fields.get(name)
        inner = place.setdefault(name, {})
        if not isinstance(inner, dict):
            raise CommandError(f"'{key}' is below a value that is given already", status=USAGE)
        place, fields = cast("dict[str, Any]", inner), _inner(field, types)
    if last in place:
        raise CommandError(f"'{key}' is given twice", status=USAGE)
    place[last] = _value(text, None if fields is None else fields.get(last))


class _Values(dict[str, Any]):
    """The fields of a map: every name has the type of its values."""

    def get(self, key: str, default: Any = None) -> Any:  # noqa: ARG002 - every key is there
        return self["*"]


def _inner(field: Mapping[str, Any] | None, types: Types) -> Mapping[str, Any] | None:
    """Return the fields below a field; nothing if they are not known."""
    if field is None:
        return None
    if field.get("kind") == "map":
        value = {"kind": field.get("value_kind"), "wire_tag": field.get("value_wire_tag")}
        return _Values({"*": value})
    entry = types.get(field.get("wire_tag", ""))
    return None if entry is None or "fields" not in entry else {one["name"]: one for one in entry["fields"]}


def _value(text: str, field: Mapping[str, Any] | None) -> Any:
    """Return JSON if the text is some, else the text; for fields of text also what looks like a number."""
    try:
        found = parse(text)
    except PayloadError:
        return text
    is_text = field is not None and field.get("kind") == "string"
    return text if is_text and not isinstance(found, str) and found is not None else found
