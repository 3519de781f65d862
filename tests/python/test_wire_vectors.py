"""Every group of `wire.json` that no other test runs, through the functions that Python has for it."""

from __future__ import annotations

import json

import pytest

from aster import RpcError, _aster, framing, limits
from aster.framing import FramingError, encode_frame
from aster.protocol import CallHeader, RpcStatus, StreamHeader
from conftest import VECTORS
from raw_peer import BytesStream
from support import asynchronous, raised

WIRE = json.loads((VECTORS / "wire.json").read_text(encoding="utf-8"))
PAYLOADS = {"StreamHeader": StreamHeader, "CallHeader": CallHeader, "RpcStatus": RpcStatus}
# Keys of the JSON form, as the fields of our classes.
FIELDS = {
    "callId": "call_id",
    "deadlineEpochMs": "deadline_epoch_ms",
    "serializationMode": "serialization_mode",
    "metadataKeys": "metadata_keys",
    "metadataValues": "metadata_values",
    "detailKeys": "detail_keys",
    "detailValues": "detail_values",
}
HERE = {"constants", "framing", "payloads", "payload_decode", "metadata", "deadlines", "modes", "body_sniff"}
# Others run these: test_vectors.py, and test_exchanges.py with a raw peer.
ELSEWHERE = {"tickets", "addresses", "node_addr", "status_codes", "status_message", "exchanges"}
PROSE = {"format", "about", "exchange_services"}


def named(cases):
    return [pytest.param(case, id=case["name"]) for case in cases]


def test_every_group_has_a_test():
    assert set(WIRE) == HERE | ELSEWHERE | PROSE


def test_constants():
    constants = WIRE["constants"]
    assert constants["flags"] == {**_aster.FRAME_FLAGS, "reserved": [0x40, 0x80]}
    assert {name: getattr(framing, name) for name in _aster.FRAME_FLAGS} == _aster.FRAME_FLAGS
    assert framing.MAX_FRAME_SIZE == limits.MAX_FRAME_SIZE == constants["max_frame_size"]
    assert constants["max_protocol_payload"] == limits.MAX_PROTOCOL_PAYLOAD
    assert constants["deadline_skew_ms"] == _aster.DEADLINE_SKEW_MS
    assert {name: alpn.decode() for name, alpn in _aster.ALPNS.items()} == constants["alpn"]
    for name, prefix in constants["prefix_hex"].items():
        assert PAYLOADS[name]().encode().hex().startswith(prefix)


# -- frames --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", named(WIRE["framing"]["encode"]))
def test_frames(case):
    assert encode_frame(bytes.fromhex(case["payload_hex"]), case["flags"]).hex() == case["wire_hex"]


@pytest.mark.parametrize("case", named(WIRE["framing"]["encode_zeros"]))
def test_large_frames(case):
    frame = encode_frame(bytes(case["payload_zero_bytes"]), case["flags"])
    assert len(frame) == case["wire_length"]
    assert frame.hex().startswith(case["first_bytes_hex"])


@pytest.mark.parametrize("case", named(WIRE["framing"]["encode_error"]))
def test_payloads_without_frame(case):
    with pytest.raises(FramingError) as caught:
        encode_frame(bytes(case["payload_zero_bytes"]), case["flags"])
    assert str(caught.value) == case["message"]


@pytest.mark.parametrize("step", [1, 4, 65_536])
@pytest.mark.parametrize("case", named(WIRE["framing"]["decode"]))
@asynchronous
async def test_reading_frames(case, step):
    wire = bytes.fromhex(case["wire_hex"])
    stream = BytesStream(wire, step)
    assert await framing.read_frame(stream) == (bytes.fromhex(case["payload_hex"]), case["flags"])
    assert len(wire) - len(stream.rest) == case["consumed"]


@pytest.mark.parametrize("case", named(WIRE["framing"]["decode_error"]))
@asynchronous
async def test_reading_what_is_no_frame(case):
    wire = bytes.fromhex(case["wire_hex"])
    if not wire:
        assert await framing.read_frame(BytesStream(wire)) is None
        return
    error = await raised(framing.read_frame(BytesStream(wire)))
    assert type(error) is FramingError
    if case["error"] == "truncated":
        assert str(error).startswith("incomplete frame: expected ")
    else:
        assert str(error) == case["message"]


# -- payloads ------------------------------------------------------------------------------------------------------


def payload(kind, value):
    return PAYLOADS[kind](**{FIELDS.get(key, key): item for key, item in value.items()})


@pytest.mark.parametrize("case", named(WIRE["payloads"]))
def test_payloads(case):
    made = payload(case["type"], case["value"])
    binary, text = made.encode(), made.encode(json=True)
    assert (binary.hex(), len(binary)) == (case["binary_hex"], case["binary_length"])
    assert (text.decode(), len(text)) == (case["json_utf8"], case["json_length"])
    assert type(made).decode(binary) == made
    assert type(made).decode(text) == made


@pytest.mark.parametrize("case", named(WIRE["payload_decode"]["accept"]))
def test_other_spellings(case):
    decoded = PAYLOADS[case["type"]].decode(bytes.fromhex(case["payload_hex"]))
    assert decoded == payload(case["type"], case["value"])


REFUSED = WIRE["payload_decode"]["refuse"] + WIRE["payload_decode"]["refuse_zero_bytes"]


@pytest.mark.parametrize("case", named(REFUSED))
def test_payloads_that_are_none(case):
    data = bytes.fromhex(case["payload_hex"]) if "payload_hex" in case else bytes(case["payload_zero_bytes"])
    with pytest.raises(FramingError, match=f"^(Invalid {case['type']}: |{case['type']} exceeds limit of )"):
        PAYLOADS[case["type"]].decode(data)


def test_every_payload_group_is_run():
    assert set(WIRE["framing"]) == {"encode", "encode_zeros", "encode_error", "decode", "decode_error"}
    assert set(WIRE["payload_decode"]) == {"accept", "refuse", "refuse_zero_bytes"}


# -- rules ---------------------------------------------------------------------------------------------------------


def outcome(ask, *arguments):
    try:
        return 0, ask(*arguments)
    except RpcError as error:
        return int(error.code), error.message


@pytest.mark.parametrize("case", named(WIRE["metadata"]))
def test_metadata(case):
    pairs = [tuple(pair) for pair in case["pairs"]]
    code, got = outcome(_aster.accept_metadata, pairs)
    assert code == case["code"]
    if code:
        assert got == case["message"]
    else:
        kept = {key: value for key, value in pairs if not key.startswith(("aster-", "_aster_"))}
        assert dict(got) == kept
        assert len(got) == len(kept)
    sent = [(key, value) for key, value in pairs if not key.startswith("aster-")]
    assert outcome(_aster.outgoing_metadata, sent)[0] == case["code"]


@pytest.mark.parametrize("case", named(WIRE["deadlines"]))
def test_deadlines(case):
    code, got = outcome(_aster.remaining_ms, case["now_epoch_ms"], case["deadline_epoch_ms"], case["aster_timeout_ms"])
    assert code == case["code"]
    if not code:
        assert got == case["remaining_ms"]


def test_modes():
    for case in WIRE["modes"]:
        mode, json_headers, session_trailers = _aster.choose_mode(case["serialization_modes"])
        header = "json" if json_headers else "binary"
        assert (mode, header, session_trailers) == (case["mode"], case["header"], case["session_trailers"])


def test_first_bytes_of_bodies():
    for case in WIRE["body_sniff"]:
        assert _aster.sniff_body(case["mode"], bytes.fromhex(case["payload_hex"])) == case["result"]
    assert _aster.sniff_body(9, b"\x01") is None
