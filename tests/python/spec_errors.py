"""Every text of `wire.md` section 10 as data: a key per text, its code, and the text with `<..>` where values stand.

A test names the row it asserts; `test_error_texts.py` checks that none is left out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """A text. `by` says who can cause it: a raw peer, a handler, a host, or somebody else's part of the tests."""

    code: int | None
    text: str
    by: str = "peer"

    def matches(self, message):
        """Tell whether a message is this text with values in it."""
        parts = re.split(r"<[^>]*>", self.text)
        return re.fullmatch(".+".join(re.escape(part) for part in parts), message, re.DOTALL) is not None


SERVER = {
    "zero_length_frame": Row(13, "received zero-length frame"),
    "frame_too_large": Row(13, "frame size <L> exceeds maximum 16777216"),
    "incomplete_frame": Row(13, "incomplete frame: expected <L> bytes, got <n>"),
    "frame_timed_out": Row(13, "frame read timed out"),
    "unexpected_frame": Row(13, "unexpected frame (flags 0x<nn>)"),
    "first_frame": Row(13, "First frame must have HEADER flag"),
    "invalid_stream_header": Row(13, "Invalid StreamHeader: <reason>"),
    "invalid_call_header": Row(13, "Invalid CallHeader: <reason>"),
    "payload_too_large": Row(8, "<type> exceeds limit of 131072 (got <n>)"),
    "malformed_eoi": Row(13, "malformed EoI trailer"),
    "non_ok_eoi": Row(13, "client sent non-OK EoI trailer (code=<n>)"),
    "request_missing": Row(13, "request message is missing"),
    "second_request": Row(13, "more than one request message"),
    "draining": Row(14, "server is draining"),
    "no_slot": Row(8, "too many concurrent streams (limit <n>)"),
    "session_cap": Row(8, "too many sessions (limit <n>)"),
    "metadata_entries": Row(8, "metadata entries exceeds limit of <n> (got <m>)"),
    "metadata_key": Row(8, "metadata key length exceeds limit of <n> (got <m>)"),
    "metadata_value": Row(8, "metadata value length exceeds limit of <n> (got <m>)"),
    "metadata_total": Row(8, "metadata total bytes exceeds limit of <n> (got <m>)"),
    "name_too_long": Row(3, "<what> exceeds limit of 256 (got <n>)"),
    "bad_timeout": Row(3, "invalid aster-timeout-ms"),
    "missing_service": Row(3, "Missing service name"),
    "unknown_service": Row(5, "Service '<s>' v<n> not found"),
    "session_scoped": Row(
        9, "'<s>' is session-scoped: open a session stream (method='') instead of calling method '<m>' directly"
    ),
    "not_session_scoped": Row(9, "'<s>' is shared: send a method name instead of opening a session stream (method='')"),
    "unknown_method": Row(12, "Method '<s>.<m>' not implemented"),
    "unknown_session_method": Row(12, "Method not found: <m>"),
    "expected_call": Row(9, "Expected CALL frame"),
    "call_before_request": Row(9, "CALL frame before request"),
    "call_during_call": Row(9, "CALL received during active call"),
    "unsupported_mode": Row(3, "Unsupported serialization mode: <n>"),
    "deadline_expired": Row(4, "deadline already expired on receipt"),
    "deadline_exceeded": Row(4, "deadline exceeded"),
    "foreign_grant": Row(7, "not admitted", "delegation"),
    "service_capability": Row(7, "capability check failed for service '<s>'"),
    "method_capability": Row(7, "capability check failed for method '<s>.<m>'"),
    "cannot_decode": Row(3, "cannot decode request: <reason>"),
    "legacy_payload": Row(3, "payload uses Fory 0.x encoding; use the JSON mode"),
    "contract_violation": Row(101, "contract violation at <location>: <reason>"),
    "bad_zstd": Row(3, "cannot decompress request: <reason>"),
    "expands_too_far": Row(8, "decompressed payload exceeds limit of 16777216"),
    "native_without_credential": Row(7, "native payloads need an admitted peer"),
    "too_many_items": Row(8, "client stream exceeded <n> items"),
    "handler_status": Row(None, "<message>"),
    "handler_failed": Row(2, "internal error; call id <id>"),
    "handler_failed_exposed": Row(2, "<exception>"),
    "call_dropped": Row(13, "call dropped by its handler", "host"),
    "cannot_encode": Row(13, "cannot encode response: <reason>"),
    "response_too_large": Row(8, "response exceeds limit of 16777215 bytes"),
    "cancelled": Row(1, "cancelled"),
    "shutting_down": Row(14, "server is shutting down"),
}

CLIENT = {
    "connection_lost": Row(14, "connection lost: <cause>"),
    "closed_with_403": Row(7, "not admitted"),
    "stream_reset": Row(14, "stream reset by peer: <code>", "core"),
    "no_trailer": Row(14, "stream ended before trailer"),
    "frame_stalls": Row(14, "frame read timed out"),
    "cannot_decode_response": Row(13, "cannot decode response: <reason>"),
    "response_off_contract": Row(101, "contract violation at <location>: <reason>"),
    "request_too_large": Row(8, "<what> exceeds limit of <n><more>", "caller"),
    "metadata_over_limit": Row(8, "<what> exceeds limit of <n> (got <m>)", "caller"),
    "reserved_key": Row(3, "metadata key '<key>' is reserved", "caller"),
}
