//! Group `iid`: documents of instances.

use std::collections::BTreeMap;

use aster_core::trust::{Cause, IidKeys, IidSettings};
use serde_json::Value;

use super::admission::peer;
use super::{list, text, vectors};

const NOW: u64 = 1_800_000_000;

fn keys(config: &Value) -> IidKeys {
    let texts = |name: &str| list(&config[name]).iter().map(|item| text(item).to_owned()).collect();
    let settings = IidSettings {
        aws_certificates: texts("aws_certificates"),
        gcp_jwks: Some(config["gcp_jwks"].to_string()),
        azure_jwks: Some(config["azure_jwks"].to_string()),
        azure_tenants: texts("azure_tenants"),
        azure_audience: text(&config["azure_audience"]).to_owned(),
    };
    IidKeys::new(&settings).expect("keys")
}

#[test]
fn tr4_iid() {
    let iid = &vectors()["iid"];
    let (keys, peer) = (keys(&iid["config"]), peer(&iid["peer"]));
    let without = IidKeys::default();
    assert!(without.is_empty() && !keys.is_empty());
    for case in list(&iid["cases"]) {
        let attributes: BTreeMap<String, String> =
            serde_json::from_value(case["attributes"].clone()).expect("attributes");
        let token = text(&case["iid_token"]);
        let verdict = keys.check(&attributes, token, &peer, NOW).map_err(Cause::name);
        let expected = if case["result"] == "pass" { Ok(()) } else { Err(text(&case["cause"])) };
        assert_eq!(verdict, expected, "{}", case["name"]);
        let verdict = without.check(&attributes, token, &peer, NOW).map_err(Cause::name);
        assert_eq!(verdict, Err(text(&iid["without_config"]["cause"])), "{}", case["name"]);
    }
}

/// What is true today need not be true when the certificate has expired.
#[test]
fn tr4_certificates_have_a_time() {
    let iid = &vectors()["iid"];
    let case = list(&iid["cases"]).iter().find(|case| case["name"] == "aws-ok").expect("case");
    let attributes = serde_json::from_value(case["attributes"].clone()).expect("attributes");
    let check = |now| keys(&iid["config"]).check(&attributes, text(&case["iid_token"]), &peer(&iid["peer"]), now);
    assert_eq!(check(2_208_988_800), Ok(()), "the last second of 2039");
    assert_eq!(check(2_208_988_801), Err(Cause::IidInvalid));
    assert_eq!(check(1_577_836_799), Err(Cause::IidInvalid));
}

/// Documents as AWS gives them: with signed attributes, in lines, in BER. Made with the key of the vectors.
#[test]
fn tr4_documents_of_aws_in_their_forms() {
    let iid = &vectors()["iid"];
    let tokens: Value = serde_json::from_str(include_str!("aws_tokens.json")).expect("JSON");
    let attributes = BTreeMap::from([
        ("aster.iid_provider".to_owned(), "aws".to_owned()),
        ("aster.iid_account".to_owned(), "123456789012".to_owned()),
        ("aster.iid_region".to_owned(), "eu-west-1".to_owned()),
    ]);
    let (keys, peer) = (keys(&iid["config"]), peer(&iid["peer"]));
    let check = |token: &str| keys.check(&attributes, token, &peer, NOW);
    assert_eq!(check(text(&tokens["signed_attributes"])), Ok(()));
    assert_eq!(check(text(&tokens["ber"])), Ok(()));
    assert_eq!(check(text(&tokens["content_swapped"])), Err(Cause::IidInvalid));
}

/// Damage anywhere refuses, and nothing panics.
#[test]
fn tr4_damaged_documents_are_refused() {
    let iid = &vectors()["iid"];
    let (keys, peer) = (keys(&iid["config"]), peer(&iid["peer"]));
    for name in ["aws-ok", "gcp-ok"] {
        let case = list(&iid["cases"]).iter().find(|case| case["name"] == name).expect("case");
        let attributes = serde_json::from_value(case["attributes"].clone()).expect("attributes");
        let token = text(&case["iid_token"]);
        for position in 0..token.len() {
            let damaged = format!("{}!{}", &token[..position], &token[position + 1..]);
            assert_eq!(keys.check(&attributes, &damaged, &peer, NOW), Err(Cause::IidInvalid), "{name} {position}");
            assert_eq!(
                keys.check(&attributes, &token[..position], &peer, NOW),
                Err(Cause::IidInvalid),
                "{name} {position}"
            );
        }
    }
}
