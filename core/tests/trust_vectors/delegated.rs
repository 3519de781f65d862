//! Group `delegated`.

use aster_core::trust::{
    Cause, DelegatedGrant, DelegatedHello, DelegatedPolicy, ProofContext, delegated_canonical, proof_bytes,
};
use serde_json::Value;

use super::admission::peer;
use super::{bytes, list, text, vectors};

fn policies(group: &Value) -> Vec<DelegatedPolicy> {
    let policy = |policy: &Value| DelegatedPolicy {
        target_handle: text(&policy["target_handle"]).to_owned(),
        target_service: text(&policy["target_service"]).to_owned(),
        target_contract_id: text(&policy["target_contract_id"]).to_owned(),
        root_pubkey: bytes(&policy["aster_root_pubkey"]),
    };
    list(&group["policies"]).iter().map(policy).collect()
}

fn hello(entry: &Value) -> DelegatedHello {
    DelegatedHello::new(&entry["token"].to_string(), &entry["attestation"].to_string()).expect("reads")
}

fn proof(hex: &Value) -> Vec<u8> {
    hex::decode(text(hex)).expect("hex")
}

#[test]
fn tr11_delegated() {
    let vectors = vectors();
    let group = &vectors["delegated"];
    let now = vectors["now"].as_u64().expect("now");
    let nonce = bytes(&group["nonce"]);
    let context = ProofContext {
        nonce: &nonce,
        client: peer(&group["client_endpoint_id"]),
        server: peer(&group["server_endpoint_id"]),
    };
    let shown = hello(group);
    let canonical = |part: &str, without| delegated_canonical(group[part].as_object().expect("object"), without);
    assert_eq!(canonical("token", "signature"), text(&group["token_signed"]));
    assert_eq!(canonical("attestation", "root_signature"), text(&group["attestation_signed"]));
    assert_eq!(hex::encode(proof_bytes(shown.token(), &context).expect("bytes")), text(&group["proof_bytes"]));
    let key = bytes(&vectors["keys"]["consumer"]["seed"]);
    assert_eq!(hex::encode(shown.prove(&context, &key).expect("signed")), text(&group["proof_signature"]));
    let messages = &group["messages"];
    assert_eq!(DelegatedHello::parse(text(&messages["hello"]).as_bytes()).as_ref(), Ok(&shown));
    let same = |ours: &str, theirs: &Value| {
        let read = |text: &str| serde_json::from_str::<Value>(text).expect("JSON");
        assert_eq!(read(ours), read(text(theirs)));
    };
    same(&shown.to_json(), &messages["hello"]);
    let grant = shown.verify(&proof(&group["proof_signature"]), &context, &policies(group), now).expect("granted");
    same(&grant.to_json(), &messages["granted"]);
    assert_eq!(DelegatedGrant::denial(), text(&messages["denied"]));
    assert_eq!(
        DelegatedGrant::parse(text(&messages["granted"]).as_bytes(), "Billing").expect("reads"),
        Some(grant.clone())
    );
    assert_eq!(DelegatedGrant::parse(text(&messages["denied"]).as_bytes(), "Billing").expect("reads"), None);
    let expected = &group["grant"];
    assert_eq!(expected["service"], grant.service);
    assert_eq!(expected["handle"], grant.handle);
    assert_eq!(expected["aster.role"], grant.roles.join(","));
    assert_eq!(expected["expires_at"], grant.expires_at);
    for entry in list(&group["negative"]) {
        let now = entry["now"].as_u64().expect("now");
        let verdict = hello(entry).verify(&proof(&entry["proof_signature"]), &context, &policies(group), now);
        assert_eq!(verdict.map_err(Cause::name), Err(text(&entry["cause"])), "{}", entry["name"]);
    }
}
