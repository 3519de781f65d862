"""`NodeAddr`, `AsterTicket` and the plain functions of keys and hashes, against the shared vectors."""

from __future__ import annotations

import json

import pytest

from aster import AsterTicket, IrohError, NodeAddr, TicketError, _aster
from conftest import VECTORS

WIRE = json.loads((VECTORS / "wire.json").read_text(encoding="utf-8"))
TICKETS = WIRE["tickets"]


def named(cases):
    return [pytest.param(case, id=case["name"]) for case in cases]


def ticket_of(value):
    data = value["credential_hex"]
    return AsterTicket(
        value["endpoint_id"],
        value["relay_addr"],
        value["direct_addrs"],
        value["credential_type"],
        None if data is None else bytes.fromhex(data),
    )


# -- NodeAddr ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", named(WIRE["node_addr"]["encode"]))
def test_node_addr_encode(case):
    value = case["value"]
    addr = NodeAddr.from_dict(value)
    assert addr == NodeAddr(value["endpoint_id"], value["relay_url"], value["direct_addresses"])
    assert addr.to_bytes().hex() == case["bytes_hex"]
    assert str(addr) == case["base64"]
    assert NodeAddr.from_bytes(addr.to_bytes()) == addr
    assert addr.to_dict() == value
    assert len({addr, NodeAddr.from_dict(value)}) == 1


@pytest.mark.parametrize("case", named(WIRE["node_addr"]["decode"]))
def test_node_addr_decode(case):
    data = bytes.fromhex(case["bytes_hex"])
    if "ok" in case:
        assert NodeAddr.from_bytes(data).to_dict() == case["ok"]
        return
    with pytest.raises(ValueError, match="invalid address"):
        NodeAddr.from_bytes(data)


def test_node_addr_is_a_plain_value():
    addr = NodeAddr("aa" * 32)
    assert (addr.relay_url, addr.direct_addresses) == (None, [])
    addr.direct_addresses.append("192.0.2.1:1")
    assert NodeAddr("aa" * 32).direct_addresses == []
    with pytest.raises(KeyError):
        NodeAddr.from_dict({})
    with pytest.raises(ValueError, match="too long"):
        NodeAddr.from_bytes(bytes(8193))


# -- AsterTicket ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", named(TICKETS["encode"] + TICKETS["encode_trimmed"]))
def test_ticket_encode(case):
    ticket = ticket_of(case["value"])
    assert ticket.encode().hex() == case["bytes_hex"]
    assert ticket.to_string() == str(ticket) == case["string"]
    assert AsterTicket.from_string(case["string"]) == ticket_of(case.get("decoded", case["value"]))


@pytest.mark.parametrize("case", named(TICKETS["decode"]))
def test_ticket_decode(case):
    assert AsterTicket.decode(bytes.fromhex(case["bytes_hex"])) == ticket_of(case["value"])
    assert AsterTicket.from_string(case["string"]) == ticket_of(case["value"])


@pytest.mark.parametrize("case", named(TICKETS["encode_error"]))
def test_ticket_encode_error(case):
    with pytest.raises(TicketError) as caught:
        ticket_of(case["value"]).encode()
    assert str(caught.value) == case["message"]
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, IrohError)


@pytest.mark.parametrize("case", named(TICKETS["decode_error"]))
def test_ticket_decode_error(case):
    with pytest.raises(TicketError) as caught:
        AsterTicket.decode(bytes.fromhex(case["bytes_hex"]))
    assert str(caught.value) == case["message"]


@pytest.mark.parametrize("case", named(TICKETS["string_error"]))
def test_ticket_string_error(case):
    with pytest.raises(TicketError):
        AsterTicket.from_string(case["string"])


@pytest.mark.parametrize(
    "ticket",
    [
        AsterTicket("aa"),
        AsterTicket("aa" * 32, "relay.example:443"),
        AsterTicket("aa" * 32, None, ["nowhere"]),
        AsterTicket("aa" * 32, None, [], "letter", b""),
        AsterTicket("aa" * 32, None, [], "registry_read", b"short"),
    ],
)
def test_ticket_with_wrong_fields(ticket):
    with pytest.raises(TicketError):
        ticket.encode()


# -- Keys and hashes -----------------------------------------------------------------------------------------------


def test_keys_and_hashes():
    # RFC 8032, section 7.1, test 2.
    secret = bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
    public = bytes.fromhex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")
    signature = bytes.fromhex(
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
    )
    assert _aster.ed25519_public_from_secret(secret) == public
    assert _aster.ed25519_sign(secret, b"\x72") == signature
    assert _aster.ed25519_verify(public, b"\x72", signature)
    assert not _aster.ed25519_verify(public, b"\x73", signature)
    assert not _aster.ed25519_verify(b"", b"\x72", b"")
    fresh, its_public = _aster.ed25519_generate_keypair()
    assert _aster.ed25519_public_from_secret(fresh) == its_public
    assert fresh != _aster.ed25519_generate_keypair()[0]
    for wrong in (b"", bytes(31), bytes(33)):
        with pytest.raises(ValueError, match="32 bytes"):
            _aster.ed25519_sign(wrong, b"")
    empty = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"
    assert _aster.blake3_hex(b"") == _aster.blake3_digest(b"").hex() == empty
