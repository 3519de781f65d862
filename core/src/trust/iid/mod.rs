//! Instance identity: documents in which a cloud says what a peer runs on (`trust.md` section 10).
//!
//! The peer brings the document; it is verified with configured keys, without network. Whatever a credential asks for
//! and the document does not prove refuses.

mod aws;
mod jwt;

use std::collections::BTreeMap;

use serde_json::Value;

use super::Cause;
use super::verify::IID_PROVIDER;
use crate::error::{Error, ErrorKind, Result};
use crate::ids::EndpointId;
use crate::limits;
use aws::AwsKeys;
use jwt::Jwks;

const ACCOUNT: &str = "aster.iid_account";
const REGION: &str = "aster.iid_region";
const ROLE: &str = "aster.iid_role_arn";
const GCP_ISSUER: &str = "https://accounts.google.com";

/// Texts of key files, and what is expected of Azure.
#[derive(Clone, Debug, Default)]
pub struct IidSettings {
    /// Certificates in PEM, any number in each text.
    pub aws_certificates: Vec<String>,
    /// A JWKS document.
    pub gcp_jwks: Option<String>,
    /// A JWKS document.
    pub azure_jwks: Option<String>,
    /// Ids of the tenants that are believed.
    pub azure_tenants: Vec<String>,
    /// Audience of Azure's tokens.
    pub azure_audience: String,
}

/// Keys with which documents are verified.
#[derive(Default)]
pub struct IidKeys {
    aws: AwsKeys,
    gcp: Jwks,
    azure: Jwks,
    azure_tenants: Vec<String>,
    azure_audience: String,
}

impl std::fmt::Debug for IidKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IidKeys").field("is_empty", &self.is_empty()).finish_non_exhaustive()
    }
}

/// What a credential wants proved.
struct Wanted<'a> {
    account: Option<&'a str>,
    region: Option<&'a str>,
    role: Option<&'a str>,
}

fn wrong(field: &str, expectation: &str) -> Error {
    Error::new(ErrorKind::Config, format!("{field}: {expectation}")).with_detail("field", field)
}

impl IidKeys {
    /// Reads the keys.
    ///
    /// # Errors
    ///
    /// CONFIG naming the field of what is no certificate or JWKS document.
    pub fn new(settings: &IidSettings) -> Result<Self> {
        let jwks = |field: &str, text: &Option<String>| match text {
            None => Ok(Jwks::default()),
            Some(text) => {
                Jwks::parse(text).ok_or_else(|| wrong(field, "expected a JWKS document with RSA or P-256 keys"))
            }
        };
        Ok(Self {
            aws: AwsKeys::parse(&settings.aws_certificates)
                .ok_or_else(|| wrong("iid_aws_certificates", "expected PEM certificates"))?,
            gcp: jwks("iid_gcp_jwks", &settings.gcp_jwks)?,
            azure: jwks("iid_azure_jwks", &settings.azure_jwks)?,
            azure_tenants: settings.azure_tenants.clone(),
            azure_audience: settings.azure_audience.clone(),
        })
    }

    /// Tells whether nothing can be verified.
    pub fn is_empty(&self) -> bool {
        self.aws.is_empty() && self.gcp.is_empty() && self.azure.is_empty()
    }

    /// Checks the document of a peer whose credential asks for an instance identity; others pass.
    ///
    /// # Errors
    ///
    /// IID_UNCONFIGURED, IID_INVALID or IID_MISMATCH.
    pub fn check(
        &self,
        attributes: &BTreeMap<String, String>,
        token: &str,
        peer: &EndpointId,
        now: u64,
    ) -> std::result::Result<(), Cause> {
        let Some(provider) = attributes.get(IID_PROVIDER) else { return Ok(()) };
        if token.len() > limits::MAX_IID_TOKEN {
            return Err(Cause::IidInvalid);
        }
        let text = |name: &str| attributes.get(name).map(String::as_str);
        let wanted = Wanted { account: text(ACCOUNT), region: text(REGION), role: text(ROLE) };
        let proved = match provider.as_str() {
            "aws" if !self.aws.is_empty() => self.aws.verify(token, now).map(|document| aws(&wanted, &document)),
            "gcp" if !self.gcp.is_empty() => {
                self.gcp.verify(token, now).filter(|claims| is_of_gcp(claims, peer)).map(|claims| gcp(&wanted, &claims))
            }
            "azure" if !self.azure.is_empty() => self
                .azure
                .verify(token, now)
                .filter(|claims| self.is_of_azure(claims))
                .map(|claims| azure(&wanted, &claims)),
            _ => return Err(Cause::IidUnconfigured),
        };
        match proved {
            None => Err(Cause::IidInvalid),
            Some(Some(true)) => Ok(()),
            Some(_) => Err(Cause::IidMismatch),
        }
    }

    fn is_of_azure(&self, claims: &Value) -> bool {
        let Some(tenant) = claims["tid"].as_str() else { return false };
        let issuers =
            [format!("https://sts.windows.net/{tenant}/"), format!("https://login.microsoftonline.com/{tenant}/v2.0")];
        self.azure_tenants.iter().any(|listed| listed == tenant)
            && issuers.iter().any(|issuer| claims["iss"] == issuer.as_str())
            && claims["aud"] == self.azure_audience.as_str()
    }
}

fn is_of_gcp(claims: &Value, peer: &EndpointId) -> bool {
    claims["iss"] == GCP_ISSUER && claims["aud"] == format!("aster:{peer}")
}

/// Tells whether what is wanted is what is proved; nothing wanted is proved by anything.
fn is(wanted: Option<&str>, proved: Option<&str>) -> bool {
    wanted.is_none_or(|wanted| proved == Some(wanted))
}

fn aws(wanted: &Wanted<'_>, document: &Value) -> Option<bool> {
    let account = document["accountId"].as_str() == Some(wanted.account?);
    Some(account && is(wanted.region, document["region"].as_str()) && wanted.role.is_none())
}

fn gcp(wanted: &Wanted<'_>, claims: &Value) -> Option<bool> {
    let machine = &claims["google"]["compute_engine"];
    let region = machine["zone"].as_str().and_then(|zone| zone.rsplit_once('-')).map(|(region, _)| region);
    let email = claims["email"].as_str().filter(|_| claims["email_verified"] == true);
    let account = machine["project_id"].as_str() == Some(wanted.account?);
    Some(account && is(wanted.region, region) && is(wanted.role, email))
}

/// Azure's ids are case-insensitive, and nothing says which region a machine is in.
fn azure(wanted: &Wanted<'_>, claims: &Value) -> Option<bool> {
    let machine = claims["xms_mirid"].as_str()?.to_lowercase();
    let subscription = machine.strip_prefix("/subscriptions/")?.split('/').next()?;
    let account = wanted.account?.to_lowercase() == subscription;
    let role = wanted.role.is_none_or(|role| claims["oid"] == role || role.to_lowercase() == machine);
    Some(account && wanted.region.is_none() && role)
}
