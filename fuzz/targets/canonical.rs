//! Canonical bytes of types and contracts, sets of types to link, and manifests, as a registry may hold them.
//!
//! The first byte of an input tells which; the bodies of a set have two bytes of length before them.

#![no_main]

use aster_core::contract::{Contract, ServiceContract, TypeDef, link};
use aster_fuzz::bounded;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((kind, bytes)) = input.split_first() else { return };
    match kind % 4 {
        0 => type_def(bytes),
        1 => contract(bytes),
        2 => set(bytes),
        _ => manifest(bytes),
    }
});

fn type_def(bytes: &[u8]) {
    let Ok(decoded) = bounded(bytes.len(), || TypeDef::from_canonical(bytes)) else { return };
    assert_eq!(decoded.canonical().expect("bytes"), bytes);
    assert_eq!(TypeDef::from_json(&decoded.to_json()).expect("its own form"), decoded);
}

fn contract(bytes: &[u8]) {
    let Ok(decoded) = bounded(bytes.len(), || ServiceContract::from_canonical(bytes)) else { return };
    assert_eq!(decoded.canonical().expect("bytes"), bytes);
    // NaN is no JSON.
    if decoded.methods.iter().all(|method| method.default_timeout.is_finite()) {
        assert_eq!(ServiceContract::from_json(&decoded.to_json()).expect("its own form"), decoded);
    }
}

fn set(mut bytes: &[u8]) {
    let mut bodies = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk::<2>() {
        let length = usize::from(u16::from_le_bytes(*length)).min(rest.len());
        let (body, rest) = rest.split_at(length);
        bodies.push(body);
        bytes = rest;
    }
    let roots: Vec<_> =
        bodies.iter().filter_map(|body| TypeDef::from_canonical(body).ok()?.hash().ok()).take(1).collect();
    let length = bodies.iter().map(|body| body.len()).sum();
    let _ = bounded(length, || link(&bodies, &roots));
}

fn manifest(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(read) = bounded(bytes.len(), || Contract::from_manifest(text)) {
        let again = Contract::from_manifest(&read.manifest_text()).expect("its own manifest");
        assert_eq!(again.id(), read.id());
    }
}
