//! Verification and answers as programs call them, without a server (`trust.md` sections 4 and 15). Endpoint ids are any
//! text.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::time::timeout;

use super::{ConsumerAdmission, Desk, NonceStore, ProducerAdmission, answer};
use crate::clock::{Clock as _, SystemClock};
use crate::error::Result;
use crate::ids::EndpointId;
use crate::limits;
use crate::rpc::BoxFuture;
use crate::trust::{Cause, ConsumerRequest, Credential, Enrollment, IidKeys, Offline};

const IID_PROVIDER: &str = "aster.iid_provider";

/// What came out. The reason is for the program that asked; peers must not learn it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdmissionResult {
    /// Whether everything that was checked holds.
    pub admitted: bool,
    /// What is granted; empty for a denial.
    pub attributes: BTreeMap<String, String>,
    /// Empty, or a text with `expired`, `endpoint_id`, `signature`, `nonce` or `nonce_store` in it.
    pub reason: String,
}

/// Verifies instance identities in place of configured keys. One that fails, or is late, denies.
pub trait IidBackend: Send + Sync {
    /// Tells whether a document proves what the attributes say of a peer.
    ///
    /// # Errors
    ///
    /// Whatever keeps it from knowing.
    fn proves<'a>(
        &'a self,
        attributes: &'a BTreeMap<String, String>,
        token: &'a str,
        peer: &'a str,
    ) -> BoxFuture<'a, Result<bool>>;
}

/// Who verifies instance identities.
#[derive(Clone, Copy)]
pub enum Iid<'a> {
    /// Nobody: credentials that ask for one are denied.
    None,
    /// Configured keys.
    Keys(&'a IidKeys),
    /// The program.
    Backend(&'a dyn IidBackend),
}

/// Returns the text for a cause.
fn reason(cause: Cause) -> &'static str {
    match cause {
        Cause::Expired => "credential has expired",
        Cause::WrongEndpoint => "endpoint_id is not that of the peer",
        Cause::Unbound => "credential has no endpoint_id and must have one",
        Cause::BadSignature => "signature does not verify",
        Cause::NonceUsed => "nonce was used before",
        Cause::NonceStore => "nonce_store is missing or failed",
        Cause::WrongRoot => "credential is of another root key",
        Cause::Structure => "credential type and nonce do not fit",
        Cause::IidUnconfigured => "nothing verifies instance identities of this provider",
        Cause::IidInvalid => "instance identity does not verify",
        Cause::IidMismatch => "instance identity is another one",
        other => other.name(),
    }
}

impl AdmissionResult {
    fn of(credential: &Enrollment, outcome: std::result::Result<(), Cause>) -> Self {
        match outcome {
            Ok(()) => Self { admitted: true, attributes: credential.attributes.clone(), reason: String::new() },
            Err(cause) => Self::denied(cause),
        }
    }

    fn denied(cause: Cause) -> Self {
        Self { admitted: false, attributes: BTreeMap::new(), reason: reason(cause).to_owned() }
    }
}

/// Checks a document by itself: structure, root key, expiry, binding, signature. It asks for no instance identity and
/// spends no nonce.
///
/// # Errors
///
/// CREDENTIAL for what is no credential at all.
pub fn verify_document(document: &[u8], against: &Offline<'_>) -> Result<AdmissionResult> {
    match Enrollment::parse(document) {
        Ok(credential) => Ok(AdmissionResult::of(&credential, credential.check_offline(against))),
        Err(error) if Cause::of(&error) == Cause::Structure => Ok(AdmissionResult::denied(Cause::Structure)),
        Err(error) => Err(error),
    }
}

async fn spend(credential: &Enrollment, store: Option<&dyn NonceStore>) -> std::result::Result<(), Cause> {
    let Some(nonce) = credential.nonce.as_deref().filter(|nonce| !nonce.is_empty()) else { return Ok(()) };
    let nonce = super::nonce(nonce).map_err(|_| Cause::Structure)?;
    let store = store.ok_or(Cause::NonceStore)?;
    match timeout(limits::HOST_DECISION_TIMEOUT, store.consume(nonce, credential.expires_at)).await {
        Ok(Ok(true)) => Ok(()),
        Ok(Ok(false)) => Err(Cause::NonceUsed),
        Ok(Err(_)) | Err(_) => Err(Cause::NonceStore),
    }
}

async fn prove(
    credential: &Enrollment,
    iid: Iid<'_>,
    token: &str,
    against: &Offline<'_>,
) -> std::result::Result<(), Cause> {
    if !credential.attributes.contains_key(IID_PROVIDER) {
        return Ok(());
    }
    if credential.endpoint_id.as_deref().is_none_or(str::is_empty) {
        return Err(Cause::Unbound);
    }
    let peer = against.peer.or(credential.endpoint_id.as_deref()).unwrap_or_default();
    match iid {
        Iid::None => Err(Cause::IidUnconfigured),
        Iid::Keys(keys) => {
            let peer = EndpointId::parse(peer).map_err(|_| Cause::IidInvalid)?;
            keys.check(&credential.attributes, token, &peer, against.now)
        }
        Iid::Backend(backend) => {
            let proved = backend.proves(&credential.attributes, token, peer);
            match timeout(limits::HOST_DECISION_TIMEOUT, proved).await {
                Ok(Ok(true)) => Ok(()),
                Ok(Ok(false)) => Err(Cause::IidMismatch),
                Ok(Err(_)) | Err(_) => Err(Cause::IidInvalid),
            }
        }
    }
}

/// Checks structure, expiry, binding and signature, and then spends the nonce of a one-time token: without a store it
/// is denied.
pub async fn check_offline(
    credential: &Enrollment,
    against: &Offline<'_>,
    store: Option<&dyn NonceStore>,
) -> AdmissionResult {
    let outcome = match credential.check_offline(against) {
        Ok(()) => spend(credential, store).await,
        denied => denied,
    };
    AdmissionResult::of(credential, outcome)
}

/// Checks the instance identity that a credential asks for.
pub async fn check_runtime(
    credential: &Enrollment,
    against: &Offline<'_>,
    iid: Iid<'_>,
    iid_token: &str,
) -> AdmissionResult {
    AdmissionResult::of(credential, prove(credential, iid, iid_token, against).await)
}

/// Checks everything, and spends the nonce of a one-time token last.
pub async fn admit(
    credential: &Enrollment,
    against: &Offline<'_>,
    iid: Iid<'_>,
    iid_token: &str,
    store: Option<&dyn NonceStore>,
) -> AdmissionResult {
    let checked = async {
        credential.check_offline(against)?;
        prove(credential, iid, iid_token, against).await?;
        spend(credential, store).await
    };
    AdmissionResult::of(credential, checked.await)
}

/// What of a credential a program wants to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checks {
    /// As [`check_offline`].
    Offline,
    /// As [`check_runtime`].
    Runtime,
    /// As [`admit`].
    All,
}

impl Checks {
    /// Reads `offline`, `runtime` or `all`.
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "offline" => Some(Self::Offline),
            "runtime" => Some(Self::Runtime),
            "all" => Some(Self::All),
            _ => None,
        }
    }
}

/// A verification with everything that it needs, for programs that wait for it elsewhere.
pub struct Examination {
    /// What is verified.
    pub credential: Enrollment,
    /// How far.
    pub checks: Checks,
    /// The root key that is trusted; `None`: the credential's own, so that the caller compares.
    pub root_pubkey: Option<[u8; 32]>,
    /// The peer that presents it; `None`: nobody knows.
    pub peer: Option<String>,
    /// Seconds since 1970; `None`: the clock.
    pub now: Option<u64>,
    /// A signed document of the instance's identity; empty: none.
    pub iid_token: String,
    /// Spent one-time tokens; `None`: every token is denied.
    pub store: Option<Arc<dyn NonceStore>>,
    /// Who verifies instance identities; `None`: nobody.
    pub backend: Option<Box<dyn IidBackend>>,
}

impl Examination {
    /// Verifies.
    pub async fn run(self) -> AdmissionResult {
        let now = self.now.unwrap_or_else(|| u64::try_from(SystemClock.epoch_ms() / 1000).unwrap_or(0));
        let against = Offline { root_pubkey: self.root_pubkey.as_ref(), peer: self.peer.as_deref(), now };
        let iid = self.backend.as_deref().map_or(Iid::None, Iid::Backend);
        let (credential, store) = (&self.credential, self.store.as_deref());
        match self.checks {
            Checks::Offline => check_offline(credential, &against, store).await,
            Checks::Runtime => check_runtime(credential, &against, iid, &self.iid_token).await,
            Checks::All => admit(credential, &against, iid, &self.iid_token, store).await,
        }
    }
}

impl std::fmt::Debug for Examination {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Examination").field("checks", &self.checks).finish_non_exhaustive()
    }
}

/// Answers a request of a consumer that a program has received; a peer without a valid id is denied.
pub async fn answer_consumer(desk: &ConsumerAdmission, request: &[u8], peer: &str) -> String {
    answered(desk, request, EndpointId::parse(peer).ok()).await
}

/// Answers a request of a producer that a program has received; without a peer the id in its credential is believed.
pub async fn answer_producer(desk: &ProducerAdmission, request: &[u8], peer: Option<&str>) -> String {
    let peer = match peer {
        Some(peer) => EndpointId::parse(peer).ok(),
        None => claimed(request),
    };
    answered(desk, request, peer).await
}

async fn answered(desk: &dyn Desk, request: &[u8], peer: Option<EndpointId>) -> String {
    match peer {
        Some(peer) => answer(desk, request, peer).await.0,
        None => desk.denial(),
    }
}

/// Returns the endpoint that a producer's credential is for, by its own word.
fn claimed(request: &[u8]) -> Option<EndpointId> {
    let request = ConsumerRequest::parse(request).ok()?;
    Credential::parse_producer(request.credential_json.as_bytes()).ok()?.endpoint_id
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admission::MemoryNonces;
    use crate::clock::FixedClock;
    use crate::error::{Error, ErrorKind};
    use crate::trust::EnrollmentKind;

    const SEED: [u8; 32] = [7; 32];

    fn signed(kind: EnrollmentKind, attributes: &[(&str, &str)]) -> Enrollment {
        let mut made = Enrollment {
            kind,
            endpoint_id: Some("node a".to_owned()),
            root_pubkey: crate::keys::public_key(&SEED).unwrap(),
            expires_at: 100,
            attributes: attributes.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
            nonce: (kind == EnrollmentKind::OneTime).then(|| vec![1; 32]),
            signature: Vec::new(),
        };
        made.signature = made.sign(&SEED).unwrap().to_vec();
        made
    }

    fn against(peer: &str, now: u64) -> Offline<'_> {
        Offline { root_pubkey: None, peer: Some(peer), now }
    }

    /// Answers as it is told.
    struct Backend(Result<bool>);

    impl IidBackend for Backend {
        fn proves<'a>(
            &'a self,
            _: &'a BTreeMap<String, String>,
            _: &'a str,
            _: &'a str,
        ) -> BoxFuture<'a, Result<bool>> {
            Box::pin(std::future::ready(self.0.clone()))
        }
    }

    #[tokio::test]
    async fn reasons_name_what_failed() {
        let store = MemoryNonces::new(Arc::new(FixedClock::new(0)));
        let token = signed(EnrollmentKind::OneTime, &[("a", "b")]);
        let check = async |peer, now, store| check_offline(&token, &against(peer, now), store).await.reason;
        assert!(check("node a", 100, None).await.contains("expired"));
        assert!(check("node b", 0, None).await.contains("endpoint_id"));
        assert!(check("node a", 0, None).await.contains("nonce_store"));
        let admitted = check_offline(&token, &against("node a", 0), Some(&store)).await;
        assert!(admitted.admitted && admitted.attributes["a"] == "b" && admitted.reason.is_empty());
        assert!(check("node a", 0, Some(&store)).await.contains("nonce"));
        let tampered = Enrollment { expires_at: 50, ..token.clone() };
        assert!(check_offline(&tampered, &against("node a", 0), None).await.reason.contains("signature"));
    }

    #[test]
    fn documents_are_judged_or_refused() {
        let token = signed(EnrollmentKind::OneTime, &[("a", "b")]);
        let bound = Enrollment { endpoint_id: Some("d0".repeat(32)), ..token };
        let token = Enrollment { signature: bound.sign(&SEED).unwrap().to_vec(), ..bound };
        let check =
            |token: &Enrollment, now| verify_document(token.to_json().as_bytes(), &against(&"d0".repeat(32), now));
        let good = check(&token, 99).unwrap();
        assert!(good.admitted && good.attributes["a"] == "b" && good.reason.is_empty());
        let late = check(&token, 100).unwrap();
        assert!(!late.admitted && late.attributes.is_empty() && late.reason.contains("expired"));
        let policy = Enrollment { kind: EnrollmentKind::Policy, ..token };
        assert!(check(&policy, 99).unwrap().reason.contains("nonce"), "structure is a verdict");
        for nothing in ["", "{}", "[]", "{\"expires_at\":1}"] {
            let error = verify_document(nothing.as_bytes(), &against("node a", 0)).unwrap_err();
            assert_eq!(error.kind(), crate::error::ErrorKind::Credential, "{nothing}");
        }
    }

    #[tokio::test]
    async fn an_identity_that_fails_spends_nothing() {
        let store = MemoryNonces::new(Arc::new(FixedClock::new(0)));
        let attributes = [(IID_PROVIDER, "mock"), ("aster.iid_account", "x")];
        let token = signed(EnrollmentKind::OneTime, &attributes);
        let broken = Error::new(ErrorKind::Io, "no");
        let backends = [Backend(Ok(false)), Backend(Err(broken))];
        for iid in [Iid::None, Iid::Backend(&backends[0]), Iid::Backend(&backends[1])] {
            let denied = admit(&token, &against("node a", 0), iid, "t", Some(&store)).await;
            assert!(!denied.admitted && denied.attributes.is_empty());
            assert!(!check_runtime(&token, &against("node a", 0), iid, "t").await.admitted);
        }
        assert!(!store.is_consumed([1; 32]).await.unwrap());
        let proved = Backend(Ok(true));
        let admitted = admit(&token, &against("node a", 0), Iid::Backend(&proved), "t", Some(&store)).await;
        assert!(admitted.admitted && store.is_consumed([1; 32]).await.unwrap());
    }
}
