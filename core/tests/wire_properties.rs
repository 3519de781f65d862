//! What a peer sends as a header, trailer, address or credential is read or refused, never a panic.

#[path = "support/properties.rs"]
mod properties;

use aster_core::addr::{Address, NodeAddr};
use aster_core::status::{RpcStatus, StatusCode};
use aster_core::trust::{ConsumerAnswer, ConsumerRequest, Credential};
use aster_core::wire::{self, CallHeader, Form, StreamHeader};
use proptest::prelude::*;

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[ -~]{0,12}", "[\u{80}-\u{ff}]{0,8}", "[\u{100}-\u{d7ff}]{0,8}", any::<String>()]
}

fn pairs() -> impl Strategy<Value = Vec<(String, String)>> {
    prop::collection::vec((text(), text()), 0..5)
}

fn form() -> impl Strategy<Value = Form> {
    prop_oneof![Just(Form::Binary), Just(Form::Json)]
}

fn read_everything(bytes: &[u8]) {
    let _ = StreamHeader::decode(bytes);
    let _ = CallHeader::decode(bytes);
    let _ = wire::decode_status(bytes);
    let _ = NodeAddr::from_bytes(bytes);
    let _ = Address::parse(&String::from_utf8_lossy(bytes));
    let _ = Credential::parse(bytes);
    let _ = ConsumerRequest::parse(bytes);
    let _ = ConsumerAnswer::parse(bytes);
}

proptest! {
    #![proptest_config(properties::config(256))]

    #[test]
    fn headers_survive_both_forms(
        (service, method, call_id) in (text(), text(), text()),
        version in 0..=i32::MAX,
        deadline_epoch_ms in any::<i64>(),
        serialization_mode in any::<u8>(),
        metadata in pairs(),
        form in form(),
    ) {
        let call = CallHeader { method: method.clone(), call_id: call_id.clone(), deadline_epoch_ms, metadata: metadata.clone() };
        let mut out = Vec::new();
        call.encode(form, &mut out);
        prop_assert_eq!(CallHeader::decode(&out), Ok(call));
        let stream = StreamHeader { service, method, version, call_id, deadline_epoch_ms, serialization_mode, metadata };
        out.clear();
        stream.encode(form, &mut out);
        prop_assert_eq!(StreamHeader::decode(&out), Ok(stream));
    }

    #[test]
    fn statuses_survive_both_forms(code in any::<i32>(), message in text(), details in pairs(), form in form()) {
        let status = RpcStatus { code: StatusCode(code), message, details };
        let mut out = Vec::new();
        wire::encode_status(&status, form, &mut out);
        prop_assert_eq!(wire::decode_status(&out), Ok(status));
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        read_everything(&bytes);
    }

    #[test]
    fn damaged_headers_are_read_or_refused(
        metadata in pairs(),
        form in form(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let header = StreamHeader { service: "S".to_owned(), method: "m".to_owned(), metadata, ..StreamHeader::default() };
        let mut out = Vec::new();
        header.encode(form, &mut out);
        for (place, byte) in damage {
            let place = place.index(out.len());
            out[place] = byte;
        }
        read_everything(&out);
        read_everything(&out[..cut.index(out.len())]);
    }

    #[test]
    fn any_json_is_read_or_refused(json in "[\\[\\]{}:,\"\\\\u0-9a-z. -]{0,60}") {
        read_everything(format!("{{{json}").as_bytes());
    }
}

#[test]
fn reasons_do_not_quote_what_the_peer_sent() {
    let long = "SECRET".repeat(1000);
    let payloads = [
        format!(r#"{{"version":"{long}"}}"#),
        format!(r#"{{"{long}":1}}"#),
        format!(r#"{{"metadataKeys":{{"{long}":1}}}}"#),
        format!(r#"{{"version":{}}}"#, "9".repeat(1000)),
    ];
    for payload in payloads {
        let status = StreamHeader::decode(payload.as_bytes()).expect_err("refused").to_status("StreamHeader");
        assert_eq!(status.code, StatusCode::INTERNAL);
        assert!(status.message.starts_with("Invalid StreamHeader: "), "{}", status.message);
        assert!(status.message.len() < 120 && !status.message.contains("SECRET"), "{}", status.message);
    }
}
