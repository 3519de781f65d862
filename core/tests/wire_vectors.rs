//! Runs every group of `wire.json` against core; exchanges are played in `wire_exchanges.rs`.

use aster_core::addr::{Address, NodeAddr};
use aster_core::frame::{self, FrameBuffer, FrameError};
use aster_core::ids::EndpointId;
use aster_core::limits;
use aster_core::status::{RpcStatus, STATUS_TABLE, StatusCode, cut_message};
use aster_core::ticket::{Ticket, TicketCredential};
use aster_core::wire::{self, CallHeader, Form, Mode, PayloadError, StreamHeader, metadata};
use serde_json::{Value, json};

fn vectors() -> Value {
    let folder = std::env::var("ASTER_VECTORS_DIR")
        .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/vectors").to_owned());
    serde_json::from_str(&std::fs::read_to_string(format!("{folder}/wire.json")).expect("wire.json")).expect("JSON")
}

fn list(value: &Value) -> &[Value] {
    value.as_array().expect("list")
}

fn text(value: &Value) -> &str {
    value.as_str().expect("text")
}

fn number(value: &Value) -> i64 {
    value.as_i64().expect("number")
}

fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(text(value)).expect("hex")
}

fn texts(value: &Value) -> Vec<String> {
    list(value).iter().map(|item| text(item).to_owned()).collect()
}

#[test]
fn every_group_has_a_test() {
    let known = [
        "format",
        "about",
        "exchange_services",
        "exchanges",
        "constants",
        "framing",
        "payloads",
        "payload_decode",
        "node_addr",
        "tickets",
        "addresses",
        "metadata",
        "deadlines",
        "status_codes",
        "status_message",
        "modes",
        "body_sniff",
    ];
    for group in vectors().as_object().expect("object").keys() {
        assert!(known.contains(&group.as_str()), "group '{group}' has no test");
    }
}

#[test]
fn constants() {
    let constants = &vectors()["constants"];
    let flags = json!({
        "COMPRESSED": frame::COMPRESSED, "TRAILER": frame::TRAILER, "HEADER": frame::HEADER,
        "ROW_SCHEMA": frame::ROW_SCHEMA, "CALL": frame::CALL, "CANCEL": frame::CANCEL, "reserved": [0x40, 0x80],
    });
    assert_eq!(constants["flags"], flags);
    assert_eq!(constants["max_frame_size"], limits::MAX_FRAME_SIZE);
    assert_eq!(constants["max_protocol_payload"], limits::MAX_PROTOCOL_PAYLOAD);
    assert_eq!(constants["deadline_skew_ms"], limits::DEADLINE_SKEW_MS);
    let alpn = |name: &[u8]| String::from_utf8(name.to_vec()).expect("ASCII");
    let alpns = json!({
        "rpc": alpn(wire::ALPN_RPC), "consumer_admission": alpn(wire::ALPN_CONSUMER_ADMISSION),
        "producer_admission": alpn(wire::ALPN_PRODUCER_ADMISSION),
        "delegated_admission": alpn(wire::ALPN_DELEGATED_ADMISSION),
    });
    assert_eq!(constants["alpn"], alpns);
    for (name, prefix) in constants["prefix_hex"].as_object().expect("object") {
        let mut out = Vec::new();
        match name.as_str() {
            "StreamHeader" => StreamHeader::default().encode(Form::Binary, &mut out),
            "CallHeader" => CallHeader::default().encode(Form::Binary, &mut out),
            "RpcStatus" => wire::encode_status(&RpcStatus::ok(), Form::Binary, &mut out),
            other => panic!("unknown payload {other}"),
        }
        assert!(hex::encode(&out).starts_with(text(prefix)), "{name}");
    }
}

#[test]
fn framing() {
    let framing = &vectors()["framing"];
    let flags = |entry: &Value| u8::try_from(number(&entry["flags"])).expect("flags");
    for entry in list(&framing["encode"]) {
        let mut out = Vec::new();
        frame::encode(flags(entry), &bytes(&entry["payload_hex"]), &mut out).expect("encodes");
        assert_eq!(hex::encode(out), text(&entry["wire_hex"]), "{}", entry["name"]);
    }
    for entry in list(&framing["encode_zeros"]) {
        let mut out = Vec::new();
        let zeros = vec![0; number(&entry["payload_zero_bytes"]) as usize];
        frame::encode(flags(entry), &zeros, &mut out).expect("encodes");
        assert_eq!(out.len() as i64, number(&entry["wire_length"]));
        assert!(hex::encode(&out[..16]).starts_with(text(&entry["first_bytes_hex"])), "{}", entry["name"]);
    }
    for entry in list(&framing["encode_error"]) {
        let zeros = vec![0; number(&entry["payload_zero_bytes"]) as usize];
        let error = frame::encode(flags(entry), &zeros, &mut Vec::new()).expect_err("refused");
        assert_eq!(error.to_string(), text(&entry["message"]), "{}", entry["name"]);
    }
    for entry in list(&framing["decode"]) {
        let mut buffer = FrameBuffer::new();
        buffer.buffer_mut().extend_from_slice(&bytes(&entry["wire_hex"]));
        let before = buffer.buffer_mut().len();
        let frame = buffer.next().expect("decodes").expect("complete");
        assert_eq!(hex::encode(&frame.payload), text(&entry["payload_hex"]), "{}", entry["name"]);
        assert_eq!(i64::from(frame.flags), number(&entry["flags"]), "{}", entry["name"]);
        assert_eq!((before - buffer.buffer_mut().len()) as i64, number(&entry["consumed"]), "{}", entry["name"]);
    }
    for entry in list(&framing["decode_error"]) {
        let mut buffer = FrameBuffer::new();
        buffer.buffer_mut().extend_from_slice(&bytes(&entry["wire_hex"]));
        match text(&entry["error"]) {
            "truncated" => {
                assert_eq!(buffer.next(), Ok(None), "{}", entry["name"]);
                let clean = buffer.buffer_mut().is_empty();
                assert_eq!(buffer.finish().is_ok(), clean, "{}", entry["name"]);
            }
            _ => {
                let error: FrameError = buffer.next().expect_err("refused");
                assert_eq!(error.to_string(), text(&entry["message"]), "{}", entry["name"]);
            }
        }
    }
}

type Pairs = [(String, String)];

fn split(pairs: &Pairs) -> (Vec<&str>, Vec<&str>) {
    pairs.iter().map(|(key, value)| (key.as_str(), value.as_str())).unzip()
}

fn join(keys: &Value, values: &Value) -> Vec<(String, String)> {
    texts(keys).into_iter().zip(texts(values)).collect()
}

/// Decodes a payload of a type into the JSON of the vectors.
fn decode(kind: &str, payload: &[u8]) -> Result<Value, PayloadError> {
    Ok(match kind {
        "StreamHeader" => {
            let h = StreamHeader::decode(payload)?;
            let (keys, values) = split(&h.metadata);
            json!({"service": h.service, "method": h.method, "version": h.version, "callId": h.call_id,
                   "deadlineEpochMs": h.deadline_epoch_ms, "serializationMode": h.serialization_mode,
                   "metadataKeys": keys, "metadataValues": values})
        }
        "CallHeader" => {
            let h = CallHeader::decode(payload)?;
            let (keys, values) = split(&h.metadata);
            json!({"method": h.method, "callId": h.call_id, "deadlineEpochMs": h.deadline_epoch_ms,
                   "metadataKeys": keys, "metadataValues": values})
        }
        "RpcStatus" => {
            let s = wire::decode_status(payload)?;
            let (keys, values) = split(&s.details);
            json!({"code": s.code.0, "message": s.message, "detailKeys": keys, "detailValues": values})
        }
        other => panic!("unknown payload {other}"),
    })
}

fn encode(kind: &str, v: &Value, form: Form) -> Vec<u8> {
    let mut out = Vec::new();
    let own = |key: &str| text(&v[key]).to_owned();
    let metadata = || join(&v["metadataKeys"], &v["metadataValues"]);
    match kind {
        "StreamHeader" => StreamHeader {
            service: own("service"),
            method: own("method"),
            version: i32::try_from(number(&v["version"])).expect("version"),
            call_id: own("callId"),
            deadline_epoch_ms: number(&v["deadlineEpochMs"]),
            serialization_mode: u8::try_from(number(&v["serializationMode"])).expect("mode"),
            metadata: metadata(),
        }
        .encode(form, &mut out),
        "CallHeader" => CallHeader {
            method: own("method"),
            call_id: own("callId"),
            deadline_epoch_ms: number(&v["deadlineEpochMs"]),
            metadata: metadata(),
        }
        .encode(form, &mut out),
        "RpcStatus" => {
            let status = RpcStatus {
                code: StatusCode(i32::try_from(number(&v["code"])).expect("code")),
                message: own("message"),
                details: join(&v["detailKeys"], &v["detailValues"]),
            };
            wire::encode_status(&status, form, &mut out);
        }
        other => panic!("unknown payload {other}"),
    }
    out
}

#[test]
fn payloads() {
    for entry in list(&vectors()["payloads"]) {
        let (kind, value, name) = (text(&entry["type"]), &entry["value"], &entry["name"]);
        let binary = encode(kind, value, Form::Binary);
        assert_eq!(hex::encode(&binary), text(&entry["binary_hex"]), "{name}");
        assert_eq!(binary.len() as i64, number(&entry["binary_length"]), "{name}");
        let json = encode(kind, value, Form::Json);
        assert_eq!(String::from_utf8_lossy(&json), text(&entry["json_utf8"]), "{name}");
        assert_eq!(json.len() as i64, number(&entry["json_length"]), "{name}");
        assert_eq!(&decode(kind, &binary).expect("decodes"), value, "{name}");
        assert_eq!(&decode(kind, &json).expect("decodes"), value, "{name}");
    }
}

#[test]
fn payload_decode() {
    let groups = &vectors()["payload_decode"];
    for entry in list(&groups["accept"]) {
        let got = decode(text(&entry["type"]), &bytes(&entry["payload_hex"]));
        assert_eq!(got.as_ref(), Ok(&entry["value"]), "{}", entry["name"]);
    }
    for entry in list(&groups["refuse"]) {
        let got = decode(text(&entry["type"]), &bytes(&entry["payload_hex"]));
        assert!(got.is_err(), "{}: {got:?}", entry["name"]);
    }
    for entry in list(&groups["refuse_zero_bytes"]) {
        let zeros = vec![0; number(&entry["payload_zero_bytes"]) as usize];
        assert!(decode(text(&entry["type"]), &zeros).is_err(), "{}", entry["name"]);
    }
}

fn node_addr(v: &Value) -> NodeAddr {
    NodeAddr {
        endpoint_id: text(&v["endpoint_id"]).to_owned(),
        relay_url: v["relay_url"].as_str().map(str::to_owned),
        direct_addresses: texts(&v["direct_addresses"]),
    }
}

#[test]
fn node_addrs() {
    let groups = &vectors()["node_addr"];
    for entry in list(&groups["encode"]) {
        let addr = node_addr(&entry["value"]);
        assert_eq!(hex::encode(addr.to_bytes()), text(&entry["bytes_hex"]), "{}", entry["name"]);
        assert_eq!(addr.to_base64(), text(&entry["base64"]), "{}", entry["name"]);
        assert_eq!(NodeAddr::from_bytes(&addr.to_bytes()).expect("decodes"), addr, "{}", entry["name"]);
    }
    for entry in list(&groups["decode"]) {
        let got = NodeAddr::from_bytes(&bytes(&entry["bytes_hex"]));
        match entry.get("ok") {
            Some(ok) => assert_eq!(got.expect("decodes"), node_addr(ok), "{}", entry["name"]),
            None => assert!(got.is_err(), "{}", entry["name"]),
        }
    }
}

fn ticket(v: &Value) -> aster_core::error::Result<Ticket> {
    let credential = v["credential_type"].as_str().map(|kind| {
        let payload = v["credential_hex"].as_str().map(|text| hex::decode(text).expect("hex"));
        TicketCredential::new(kind, &payload.unwrap_or_default())
    });
    Ok(Ticket {
        endpoint_id: EndpointId::parse(text(&v["endpoint_id"]))?,
        relay_addr: v["relay_addr"].as_str().map(|addr| addr.parse().expect("address")),
        direct_addrs: texts(&v["direct_addrs"]).iter().map(|addr| addr.parse().expect("address")).collect(),
        credential: credential.transpose()?,
    })
}

#[test]
fn tickets() {
    let groups = &vectors()["tickets"];
    for group in groups.as_object().expect("object").keys() {
        let known = ["encode", "encode_trimmed", "encode_error", "decode", "decode_error", "string_error"];
        assert!(known.contains(&group.as_str()), "ticket group '{group}' has no test");
    }
    for entry in list(&groups["encode"]).iter().chain(list(&groups["encode_trimmed"])) {
        let made = ticket(&entry["value"]).expect("ticket");
        assert_eq!(hex::encode(made.encode().expect("encodes")), text(&entry["bytes_hex"]), "{}", entry["name"]);
        assert_eq!(made.to_text().expect("encodes"), text(&entry["string"]), "{}", entry["name"]);
        let decoded = ticket(entry.get("decoded").unwrap_or(&entry["value"])).expect("ticket");
        assert_eq!(Ticket::parse(text(&entry["string"])).expect("parses"), decoded, "{}", entry["name"]);
    }
    for entry in list(&groups["encode_error"]) {
        let error = ticket(&entry["value"]).and_then(|ticket| ticket.encode()).expect_err("refused");
        assert_eq!(error.message(), text(&entry["message"]), "{}", entry["name"]);
    }
    for entry in list(&groups["decode"]) {
        let expected = ticket(&entry["value"]).expect("ticket");
        assert_eq!(Ticket::decode(&bytes(&entry["bytes_hex"])).expect("decodes"), expected, "{}", entry["name"]);
        assert_eq!(Ticket::parse(text(&entry["string"])).expect("parses"), expected, "{}", entry["name"]);
    }
    for entry in list(&groups["decode_error"]) {
        let error = Ticket::decode(&bytes(&entry["bytes_hex"])).expect_err("refused");
        assert_eq!(error.message(), text(&entry["message"]), "{}", entry["name"]);
        assert!(Ticket::parse(text(&entry["string"])).is_err(), "{}", entry["name"]);
    }
    for entry in list(&groups["string_error"]) {
        let error = Ticket::parse(text(&entry["string"])).expect_err("refused");
        if let Some(message) = entry.get("message") {
            assert_eq!(error.message(), text(message), "{}", entry["name"]);
        }
    }
}

#[test]
fn addresses() {
    for entry in list(&vectors()["addresses"]) {
        let got = Address::parse(text(&entry["input"]));
        match entry.get("ok") {
            Some(ok) => {
                let got = got.expect("parses");
                assert_eq!(got.form.name(), text(&ok["kind"]), "{}", entry["name"]);
                assert_eq!(got.endpoint_id.to_string(), text(&ok["endpoint_id"]), "{}", entry["name"]);
                if let Some(direct) = ok.get("direct_addresses") {
                    assert_eq!(got.direct, texts(direct), "{}", entry["name"]);
                    assert_eq!(got.relay_url.as_deref(), ok["relay_url"].as_str(), "{}", entry["name"]);
                }
            }
            None => {
                let error = got.expect_err("refused");
                assert!(error.message().starts_with("invalid address: "), "{}: {error}", entry["name"]);
            }
        }
    }
}

fn outcome<T>(result: &Result<T, RpcStatus>) -> (i32, Option<&str>) {
    result.as_ref().err().map_or((0, None), |status| (status.code.0, Some(status.message.as_str())))
}

#[test]
fn metadata_limits() {
    for entry in list(&vectors()["metadata"]) {
        let pairs: Vec<_> =
            list(&entry["pairs"]).iter().map(|pair| (text(&pair[0]).to_owned(), text(&pair[1]).to_owned())).collect();
        let expected = (i32::try_from(number(&entry["code"])).expect("code"), entry["message"].as_str());
        assert_eq!(outcome(&metadata::accept(&pairs)), expected, "{}", entry["name"]);
        let application: Vec<_> = pairs.iter().filter(|(key, _)| !key.starts_with("aster-")).cloned().collect();
        assert_eq!(outcome(&metadata::outgoing(&application)), expected, "sent: {}", entry["name"]);
    }
}

#[test]
fn deadlines() {
    for entry in list(&vectors()["deadlines"]) {
        let (now, deadline) = (number(&entry["now_epoch_ms"]), number(&entry["deadline_epoch_ms"]));
        let got = wire::remaining_ms(now, deadline, entry["aster_timeout_ms"].as_str());
        assert_eq!(i64::from(outcome(&got).0), number(&entry["code"]), "{}", entry["name"]);
        if let Ok(left) = got {
            assert_eq!(left, entry["remaining_ms"].as_u64(), "{}", entry["name"]);
        }
    }
}

#[test]
fn status_codes() {
    let vectors = vectors();
    let entries = list(&vectors["status_codes"]);
    assert_eq!(entries.len(), STATUS_TABLE.len());
    for (entry, row) in entries.iter().zip(STATUS_TABLE) {
        assert_eq!(i64::from(row.code.0), number(&entry["code"]));
        assert_eq!(row.name, text(&entry["name"]));
        assert_eq!(row.class, entry["class"].as_str().unwrap_or_default());
        assert_eq!(format!("ASTER_STATUS_{}", row.name), text(&entry["c_constant"]));
        assert_eq!(row.code.is_retryable(), entry["retryable"].as_bool().expect("bool"));
    }
    for entry in list(&vectors["status_message"]) {
        let cut = cut_message("x".repeat(number(&entry["length"]) as usize));
        assert_eq!(cut.chars().count() as i64, number(&entry["kept"]));
        assert_eq!(cut.ends_with("..."), entry["ends_with_dots"].as_bool().expect("bool"));
    }
}

#[test]
fn modes() {
    let vectors = vectors();
    for entry in list(&vectors["modes"]) {
        let choice = wire::choose(&texts(&entry["serialization_modes"]));
        let header = if choice.form == Form::Json { "json" } else { "binary" };
        assert_eq!(i64::from(choice.mode.number()), number(&entry["mode"]), "{entry}");
        assert_eq!(header, text(&entry["header"]), "{entry}");
        assert_eq!(choice.session_trailers, entry["session_trailers"].as_bool().expect("bool"), "{entry}");
    }
    for entry in list(&vectors["body_sniff"]) {
        let mode = Mode::from_number(u8::try_from(number(&entry["mode"])).expect("mode")).expect("mode");
        let got = format!("{:?}", wire::sniff(mode, &bytes(&entry["payload_hex"]))).to_lowercase();
        assert_eq!(got, text(&entry["result"]), "{entry}");
    }
}
