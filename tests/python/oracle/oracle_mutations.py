"""Bytes that no library wrote: ours, damaged, with repaired hashes of type definitions now and then."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

from pyfory.lib import mmh3  # type: ignore[import-untyped]

if TYPE_CHECKING:
    from random import Random

_HEADER, _SHORT, _SEED = 8, 0xFF, 47
_SEARCHED = 4000
_MASK = (1 << 64) - 1
_EDGES = (0, 1, 2, 0x7F, 0x80, 0xFD, 0xFE, 0xFF)
# Counts at the edges of 32 bits, lengths of texts at the edge of 64, varints that do not end, references.
_PIECES = (
    *("ffffffff0f", "feffffff0f", "ffffffff07", "8080808001", "808004", "ffffffffffffffffff", "808080808080808080"),
    *("1e00", "1e01", "1e02", "fdfd", "ff1e01", "fe00", "24ff", "140000", "0c", "0e", "08", "00" * 9),
)  # fmt: skip


def header(body: bytes) -> bytes:
    """Return the right header of the body of a type definition (`codec.md` section 3)."""
    low = min(len(body), _SHORT)
    hashed = mmh3.hash_buffer(body + bytes([low, 0]), _SEED)[0]
    shifted = (hashed << 12) & _MASK
    if shifted >> 63 and shifted != 1 << 63:
        shifted = (1 << 64) - shifted
    return struct.pack("<Q", shifted & ~0xFFF | low) + (uvarint(len(body) - _SHORT) if low == _SHORT else b"")


def uvarint(number: int) -> bytes:
    written = b""
    while number > 0x7F:
        written += bytes([number & 0x7F | 0x80])
        number >>= 7
    return written + bytes([number])


class Definition(NamedTuple):
    """Where a type definition begins, its body begins, and it ends."""

    start: int
    body: int
    end: int


def definitions(data: bytes) -> list[Definition]:
    """Return the type definitions in a payload, as far as they are near its front."""
    found: list[Definition] = []
    for start in range(3, min(len(data) - _HEADER, _SEARCHED)):
        # The lowest hash bits are above four zeros.
        if data[start + 1] & 0x0F == 0 and (not found or start >= found[-1].end):
            at = _definition(data, start)
            if at is not None and header(data[at.body : at.end]) == data[start : at.body]:
                found.append(at)
    return found


def _definition(data: bytes, start: int) -> Definition | None:
    """Return the definition whose header would be here."""
    size, body, shift = data[start], start + _HEADER, 0
    if size == _SHORT:
        while body < len(data) and shift < 21:
            size += (data[body] & 0x7F) << shift
            body, shift = body + 1, shift + 7
            if data[body - 1] < 0x80:
                break
    fits = body + size <= len(data) and data[body : body + 1] >= b"\xe0"
    return Definition(start, body, body + size) if fits else None


def mutated(random: Random, data: bytes, other: bytes) -> bytes:
    """Return damaged bytes. `other` is a payload to take pieces from."""
    found = definitions(data)
    if found and random.random() < 0.2:
        at = random.choice(found)
        body = _damage(random, data[at.body : at.end], data[at.body : at.end], 0)
        return data[: at.start] + header(body) + body + data[at.end :]
    # Behind a damaged definition nothing is read: mostly the values are damaged.
    kept = random.random() < 0.85
    for _ in range(random.choice((1, 1, 1, 2, 4))):
        data = _damage(
            random, data, other, _place(random, found, len(data)) if kept else random.randrange(len(data) + 1)
        )
    return data


def _place(random: Random, found: list[Definition], size: int) -> int:
    """Return a place outside of the definitions."""
    parts = zip([2, *(at.end for at in found)], [*(at.start for at in found), size])
    free = [at for begin, end in parts for at in range(begin, min(end + 1, size))]
    return random.choice(free) if free else size


def _damage(random: Random, data: bytes, other: bytes, at: int) -> bytes:
    at = at or random.randrange(len(data) + 1)
    to = min(len(data), at + random.choice((1, 1, 2, 8)))
    from_ = random.randrange(len(other) + 1)
    piece = random.choice((
        lambda: b"",
        lambda: bytes([random.choice(_EDGES)]),
        lambda: bytes([random.randrange(256)]),
        lambda: bytes(byte ^ 1 << random.randrange(8) for byte in data[at : at + 1]),
        lambda: bytes(byte + random.choice((1, -1)) & 0xFF for byte in data[at : at + 1]),
        lambda: bytes.fromhex(random.choice(_PIECES)),
        lambda: other[from_ : from_ + random.choice((1, 4, 40))],
    ))()  # fmt: skip
    if random.random() < 0.1:
        return data[:at]
    return data[:at] + piece + data[random.choice((at, to, at + len(piece), at + len(piece))) :]
