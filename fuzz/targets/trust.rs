//! What peers present: credentials, admission, messages of the mesh, delegated admission, documents of instances.
//!
//! The first byte of an input tells which.

#![no_main]

use std::collections::BTreeMap;
use std::sync::LazyLock;

use aster_core::ids::EndpointId;
use aster_core::mesh::{Accepted, DriftConfig, Envelope, Mesh, Notice};
use aster_core::trust::{
    ConsumerAnswer, ConsumerRequest, Credential, DelegatedGrant, DelegatedHello, Enrollment, IidKeys, IidSettings,
};
use aster_fuzz::bounded;
use libfuzzer_sys::fuzz_target;

const PEER: EndpointId = EndpointId([1; 32]);

/// The certificate and the keys of `trust.json`.
static KEYS: LazyLock<IidKeys> = LazyLock::new(|| {
    let settings = IidSettings {
        aws_certificates: vec![include_str!("../keys/aws.pem").to_owned()],
        gcp_jwks: Some(include_str!("../keys/jwks.json").to_owned()),
        azure_jwks: Some(include_str!("../keys/jwks.json").to_owned()),
        ..IidSettings::default()
    };
    IidKeys::new(&settings).expect("keys")
});

fn credentials(bytes: &[u8]) {
    for read in [Credential::parse(bytes), Credential::parse_producer(bytes)].into_iter().flatten() {
        let _ = read.is_signed(read.is_producer());
        // What is read is written so that it is read the same again.
        let json = read.to_json();
        let again = match read.is_producer() {
            true => Credential::parse_producer(json.as_bytes()),
            false => Credential::parse(json.as_bytes()),
        };
        assert!(again.is_ok_and(|again| again == read));
    }
    if let Ok(made) = Enrollment::parse(bytes) {
        let _ = made.is_signed(None);
    }
    let _ = Enrollment::signed_bytes_of(bytes);
    if let Ok(made) = Enrollment::signed(bytes, &[7; 32]) {
        assert!(made.is_signed(None));
        // Any text names a peer when it is signed; readers take ids only.
        assert!(
            made.endpoint_id.is_some() || Enrollment::parse(made.to_json().as_bytes()).is_ok_and(|read| read == made)
        );
    }
}

fn messages(bytes: &[u8]) {
    if let Ok(message) = Envelope::parse(bytes) {
        assert!(Envelope::parse(message.to_json().as_bytes()).is_ok_and(|again| again == message));
        let _ = (message.is_signed(), Notice::parse(message.kind, &message.payload));
    }
    let mut mesh = Mesh::new(PEER, [2; 32], [3; 32], DriftConfig::default(), 0);
    let _ = mesh.receive(bytes, 0, &|_, _| Ok(()));
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = Mesh::parse(text, PEER, [2; 32], DriftConfig::default(), 0);
    }
}

fn documents(bytes: &[u8]) {
    let Ok(token) = std::str::from_utf8(bytes) else { return };
    for provider in ["aws", "gcp", "azure"] {
        let attributes = BTreeMap::from([("aster.iid_provider".to_owned(), provider.to_owned())]);
        assert!(KEYS.check(&attributes, token, &PEER, 1_800_000_000).is_err(), "no account is asked for");
    }
}

fuzz_target!(|input: &[u8]| {
    let Some((kind, bytes)) = input.split_first() else { return };
    bounded(bytes.len(), || match kind % 5 {
        0 => credentials(bytes),
        1 => {
            let _ = (ConsumerRequest::parse(bytes).map(|request| request.credential()), ConsumerAnswer::parse(bytes));
            let _ = Accepted::parse(bytes, &PEER);
        }
        2 => messages(bytes),
        3 => {
            let _ = (DelegatedHello::parse(bytes), DelegatedGrant::parse(bytes, "S"));
        }
        _ => documents(bytes),
    });
});
