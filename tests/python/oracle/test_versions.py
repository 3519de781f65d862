"""Peers with other versions of the types, which pyfory plays (`codec.md` sections 4 and 5)."""

from __future__ import annotations

import contextlib
import dataclasses
from typing import TYPE_CHECKING, Any

import pytest
from oracle_model import CONTAINERS, SIGNED, UNSIGNED, Field, Message, Schema, Type, canonical
from oracle_pyfory import Theirs
from oracle_runs import CASES, Case, require_seen, run
from oracle_shrink import drop, without
from oracle_source import Ours

from aster import ContractViolationError

if TYPE_CHECKING:
    from random import Random

# Each case has schemas of its own.
_CASES = max(50, CASES // 10)


def test_writer_without_fields(capsys: pytest.CaptureFixture[str]) -> None:
    """Fields that are not there take the default of the class."""
    seen = {"dropped": 0}

    def check(case: Case) -> None:
        lost = victim(case)
        if lost is None:
            return
        message, part = lost
        less = without(case.schema, message.tag, part.name)
        written = Theirs(less).encode(drop(case.schema, case.schema.root, case.value, message.tag, part.name))
        default = case.ours.plain(part.type, case.ours.default(message.tag, part.attribute))
        want = filled(case.schema, case.schema.root, case.value, (message.tag, part.name, default))
        read(case, written, want)
        seen["dropped"] += contains(case.schema, case.schema.root, case.value, message.tag)

    run(check, capsys, _CASES)
    require_seen(seen)


def test_reader_without_fields(capsys: pytest.CaptureFixture[str]) -> None:
    """A field that the reader does not know is refused as soon as its message occurs."""
    seen = {"refused": 0}

    def check(case: Case) -> None:
        lost = victim(case)
        if lost is None:
            return
        message, part = lost
        written = case.theirs().encode(case.value)
        with contextlib.closing(Ours(without(case.schema, message.tag, part.name))) as reader:
            if contains(case.schema, case.schema.root, case.value, message.tag):
                with pytest.raises(ContractViolationError) as refused:
                    reader.codec.decode(written, reader.root)
                assert "unexpected_fields" in refused.value.details
                seen["refused"] += 1
            else:
                reader.codec.decode(written, reader.root)

    run(check, capsys, _CASES)
    require_seen(seen)


def test_wider_writer(capsys: pytest.CaptureFixture[str]) -> None:
    """Integers may have another width, and null may be possible, as long as the values fit."""

    def check(case: Case) -> None:
        messages = {
            tag: message if message.generic_tag else dataclasses.replace(message, fields=[
                dataclasses.replace(part, type=widened(case.random, part.type)) for part in message.fields
            ])
            for tag, message in case.schema.messages.items()
        }  # fmt: skip
        written = Theirs(dataclasses.replace(case.schema, messages=messages)).encode(case.value)
        read(case, written, case.value)

    run(check, capsys, _CASES)


def read(case: Case, written: bytes, want: Any) -> None:
    decoded = case.ours.plain(case.schema.root, case.ours.codec.decode(written, case.ours.root))
    expected = canonical(case.schema, case.schema.root, want)
    assert canonical(case.schema, case.schema.root, decoded) == expected, f"{written.hex()} is {decoded!r}"


def victim(case: Case) -> tuple[Message, Field] | None:
    """Return a field to be dropped, if there is any."""
    messages = [message for message in case.schema.messages.values() if message.fields and not message.generic_tag]
    if not messages:
        return None
    message = messages[0] if case.random.random() < 0.5 else case.random.choice(messages)
    return message, case.random.choice(message.fields)


def widened(random: Random, of: Type, *, nullable: bool = True) -> Type:
    """Return a type of a writer all of whose values in the range of the other one fit that one."""
    for widths in (SIGNED, UNSIGNED):
        if of.name in widths:
            wider = [name for name, bits in widths.items() if bits >= widths[of.name]]
            of = dataclasses.replace(of, name=random.choice(wider))
    if of.name in CONTAINERS:
        last = len(of.parts) - 1
        parts = [
            widened(random, part, nullable=of.name != "set" and at == last) for at, part in enumerate(of.parts)
        ]  # fmt: skip
        of = dataclasses.replace(of, parts=tuple(parts))
    return dataclasses.replace(of, optional=of.optional or (nullable and random.random() < 0.3))


def contains(schema: Schema, of: Type, value: Any, tag: str) -> bool:
    """Tell whether a message occurs in a value."""
    if value is None or (of.name not in CONTAINERS and of.name not in schema.messages):
        return False
    if of.name == tag:
        return True
    if of.name == "map":
        return any(contains(schema, of.parts[1], item, tag) for _, item in value)
    if of.name in CONTAINERS:
        return any(contains(schema, of.parts[0], item, tag) for item in value)
    return any(contains(schema, part.type, value[part.name], tag) for part in schema.messages[of.name].fields)


def filled(schema: Schema, of: Type, value: Any, given: tuple[str, str, Any]) -> Any:
    """Return a value in which a field of a message has its default wherever the message occurs."""
    if value is None or (of.name not in CONTAINERS and of.name not in schema.messages):
        return value
    if of.name == "map":
        return [(key, filled(schema, of.parts[1], item, given)) for key, item in value]
    if of.name in CONTAINERS:
        return [filled(schema, of.parts[0], item, given) for item in value]
    tag, name, default = given
    return {
        part.name: default
        if (of.name, part.name) == (tag, name)
        else filled(schema, part.type, value[part.name], given)
        for part in schema.messages[of.name].fields
    }
