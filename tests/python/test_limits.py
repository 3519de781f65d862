"""The numbers of `wire.md` section 21, and what checks them."""

from __future__ import annotations

import pytest

from aster import LimitExceeded, _aster, limits

SPEC = {
    "MAX_FRAME_SIZE": 16_777_216, "MAX_BODY_SIZE": 16_777_215, "MAX_DECOMPRESSED_SIZE": 16_777_216,
    "MAX_PROTOCOL_PAYLOAD": 131_072, "MAX_METADATA_ENTRIES": 64, "MAX_METADATA_TOTAL_BYTES": 8192,
    "MAX_METADATA_KEY_CHARS": 256, "MAX_METADATA_VALUE_CHARS": 4096, "MAX_RESERVED_ENTRIES": 8,
    "MAX_RESERVED_VALUE_CHARS": 256, "MAX_STATUS_MESSAGE_CHARS": 4096, "MAX_STATUS_DETAILS": 32,
    "MAX_STATUS_DETAIL_BYTES": 8192, "MAX_NAME_CHARS": 256, "MAX_CONCURRENT_STREAMS": 1024,
    "MAX_SESSIONS_PER_CONNECTION": 1024, "MAX_SESSION_QUEUE": 1024, "MAX_STREAM_ITEMS": 100_000, "MAX_CREDIT": 65_536,
    "MAX_CONNECTION_BUFFER": 64 * 1024 * 1024, "MAX_TICKET_BYTES": 256, "MAX_TICKET_ADDRESSES": 15,
    "MAX_NODE_ADDR_TEXT": 8192, "MAX_DIAL_ADDRESSES": 64, "MAX_MESSAGE_DEPTH": 50,
    "MAX_VALUE_GRAPH": 128 * 1024 * 1024,
}  # fmt: skip


def test_numbers_are_those_of_core():
    named = {name: value for name, value in vars(limits).items() if name.startswith("MAX_")}
    assert named == _aster.LIMITS
    assert limits.DEFAULT_FRAME_READ_TIMEOUT_S == 30.0


def test_numbers_are_those_of_the_specification():
    assert {name: getattr(limits, name) for name in SPEC} == SPEC


def exceeded(check, *arguments):
    with pytest.raises(LimitExceeded) as caught:
        check(*arguments)
    return caught.value.field, caught.value.limit, caught.value.actual


def test_metadata():
    limits.validate_metadata({})
    limits.validate_metadata({**{f"k{n}": "v" for n in range(64)}, "_aster_note": "x" * 9000})
    assert exceeded(limits.validate_metadata, {f"k{n}": "v" for n in range(65)}) == ("metadata entries", 64, 65)
    assert exceeded(limits.validate_metadata, {"k" * 257: ""}) == ("metadata key length", 256, 257)
    assert exceeded(limits.validate_metadata, {"k": "\U0001f680" * 4097}) == ("metadata value length", 4096, 4097)
    assert exceeded(limits.validate_metadata, {f"k{n}": "v" * 4000 for n in range(3)})[:2] == (
        "metadata total bytes",
        8192,
    )
    with pytest.raises(ValueError, match="'aster-timeout-ms' is reserved") as caught:
        limits.validate_metadata({"aster-timeout-ms": "1"})
    assert type(caught.value) is ValueError
    with pytest.raises(TypeError):
        limits.validate_metadata({"k": 1})


def test_status_messages():
    limits.validate_status_message("\u65e5" * 4096)
    assert exceeded(limits.validate_status_message, "x" * 4097) == ("status message", 4096, 4097)


def test_hex_fields():
    limits.validate_hex_field("key", "")
    limits.validate_hex_field("key", "00fF")
    limits.validate_hex_field("key", "ab" * 32, 64)
    assert exceeded(limits.validate_hex_field, "key", "a" * 65, 64) == ("key", 64, 65)
    for text, length, message in (
        ("a" * 63, 64, "key: expected 64 hex digits"),
        ("g" * 64, 64, "key: expected 64 hex digits"),
        ("abc", None, "key: expected pairs of hex digits"),
        ("\u0661\u0662", None, "key: expected pairs of hex digits"),
    ):
        with pytest.raises(ValueError, match=message):
            limits.validate_hex_field("key", text, length)
