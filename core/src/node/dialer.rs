//! How a client reaches its server: dialling, and admission whenever it is due (`trust.md` section 14).

use std::sync::{Arc, Mutex};
use std::time::Duration;

use iroh::EndpointAddr;
use tokio::time::{Instant, sleep, timeout_at};
use tracing::warn;

use super::client::ClientInfo;
use super::fleet::Dialers;
use super::node::Node;
use super::transport::QuicConnection;
use crate::admission::{self, Delegation, Presentation};
use crate::error::{Error, ErrorKind, Result};
use crate::ids::EndpointId;
use crate::limits;
use crate::rpc::{BoxFuture, Connection, Dialer};
use crate::sync::lock;
use crate::trust::ConsumerAnswer;
use crate::wire;

/// Waits before an admission that was refused as busy is tried again.
const BUSY_RETRIES: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4)];
/// Wait after a policy could not be presented again.
const PRESENT_RETRY: Duration = Duration::from_secs(60);

/// Dials one server.
pub(super) struct QuicDialer {
    pub(super) node: Node,
    pub(super) target: EndpointAddr,
    pub(super) timeout: Duration,
    pub(super) presentation: Presentation,
    /// The root key that the server has to name.
    pub(super) root_pubkey: Option<[u8; 32]>,
    /// What another authority grants; shown first.
    pub(super) delegation: Option<Delegation>,
    info: Mutex<Option<Arc<ClientInfo>>>,
}

impl QuicDialer {
    pub(super) fn new(
        node: Node,
        target: EndpointAddr,
        timeout: Duration,
        presentation: Presentation,
        root_pubkey: Option<[u8; 32]>,
    ) -> Self {
        Self { node, target, timeout, presentation, root_pubkey, delegation: None, info: Mutex::default() }
    }

    async fn connect(&self, alpn: &[u8], deadline: Instant) -> Result<QuicConnection> {
        let dialled = timeout_at(deadline, self.node.0.endpoint.connect(self.target.clone(), alpn)).await;
        let unreachable = |cause: String| {
            let id = self.target.id.fmt_short();
            Error::new(ErrorKind::Connect, format!("could not reach {id}: {cause}"))
        };
        match dialled {
            Ok(Ok(connection)) => Ok(QuicConnection::new(connection)),
            Ok(Err(error)) => Err(unreachable(format!("{error:#}"))),
            Err(_) => Err(unreachable(format!("no answer within {:.1} s", self.timeout.as_secs_f64()))),
        }
    }

    /// Runs admission, and keeps what the server told.
    ///
    /// # Errors
    ///
    /// CONNECT if the server is unreachable or its answer unusable, ADMISSION_DENIED if it refuses, CREDENTIAL if it
    /// trusts another root key.
    pub(super) async fn admit(&self) -> Result<Arc<ClientInfo>> {
        if let Some(delegation) = &self.delegation {
            let connection = self.connect(wire::ALPN_DELEGATED_ADMISSION, Instant::now() + self.timeout).await?;
            let client = EndpointId(*self.node.0.endpoint.id().as_bytes());
            let granted = delegation.request(&connection, client, self.timeout).await;
            connection.close(wire::CLOSE_NORMAL, wire::CLIENT_CLOSE_TEXT);
            granted?;
        }
        let answer = self.ask().await?;
        check_root(&answer, self.root_pubkey)?;
        let info = Arc::new(ClientInfo {
            endpoint_id: self.node.id(),
            server_id: self.target.id.to_string(),
            open_gate: self.presentation.credential_json.is_empty(),
            answer,
        });
        *lock(&self.info) = Some(info.clone());
        Ok(info)
    }

    /// Makes what dials other producers of our services: admission with our credential and the check of the root key
    /// come first, once per connection.
    pub(super) fn to_others(self: &Arc<Self>) -> Dialers {
        let own = self.clone();
        Box::new(move |target| {
            let (node, presentation) = (own.node.clone(), own.presentation.clone());
            Arc::new(AdmittedDialer(QuicDialer::new(node, target, own.timeout, presentation, own.root_pubkey)))
        })
    }

    /// Returns what the server told last.
    pub(super) fn info(&self) -> Option<Arc<ClientInfo>> {
        lock(&self.info).clone()
    }

    async fn ask(&self) -> Result<ConsumerAnswer> {
        let deadline = Instant::now() + self.timeout;
        let mut waits = BUSY_RETRIES.iter();
        loop {
            let connection = self.connect(wire::ALPN_CONSUMER_ADMISSION, deadline).await?;
            let within = deadline.saturating_duration_since(Instant::now());
            let answered = admission::request(&connection, &self.presentation, within).await;
            connection.close(wire::CLOSE_NORMAL, wire::CLIENT_CLOSE_TEXT);
            match answered {
                Err(error) if error.detail("busy").is_some() => match waits.next() {
                    Some(wait) if Instant::now() + *wait < deadline => sleep(*wait).await,
                    _ => return Err(error),
                },
                answered => return answered,
            }
        }
    }
}

impl Dialer for QuicDialer {
    fn dial(&self) -> BoxFuture<'_, Result<Arc<dyn Connection>>> {
        Box::pin(async {
            let connection = self.connect(wire::ALPN_RPC, Instant::now() + self.timeout).await?;
            Ok(Arc::new(connection) as Arc<dyn Connection>)
        })
    }

    fn readmit(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async { self.admit().await.map(drop) })
    }
}

/// Dials another producer, admission first.
struct AdmittedDialer(QuicDialer);

impl Dialer for AdmittedDialer {
    fn dial(&self) -> BoxFuture<'_, Result<Arc<dyn Connection>>> {
        Box::pin(async {
            self.0.admit().await?;
            self.0.dial().await
        })
    }
}

/// Presents a policy again and again, so that what it grants never lapses while it is valid.
pub(super) async fn keep_presenting(present: impl AsyncFn() -> Result<()>) {
    let mut wait = limits::PRESENT_INTERVAL;
    loop {
        sleep(wait).await;
        wait = match present().await {
            Err(error) if error.kind() == ErrorKind::Connect => PRESENT_RETRY,
            presented => {
                if let Err(error) = presented {
                    warn!(target: "aster::client", %error, "the credential was not accepted again");
                }
                limits::PRESENT_INTERVAL
            }
        };
    }
}

fn check_root(answer: &ConsumerAnswer, ours: Option<[u8; 32]>) -> Result<()> {
    match ours {
        Some(key) if !answer.root_pubkey.eq_ignore_ascii_case(&hex::encode(key)) => {
            Err(Error::new(ErrorKind::Credential, "the server trusts another root key than ours"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn policies_are_presented_every_12_hours_and_sooner_after_a_failure() {
        let (start, times) = (Instant::now(), RefCell::new(Vec::new()));
        let present = async || {
            times.borrow_mut().push(start.elapsed().as_secs());
            match times.borrow().len() {
                2 => Err(Error::new(ErrorKind::Connect, "away")),
                3 => Err(Error::new(ErrorKind::AdmissionDenied, "no")),
                _ => Ok(()),
            }
        };
        let day = Duration::from_secs(48 * 3600 + 100);
        assert!(tokio::time::timeout(day, keep_presenting(present)).await.is_err());
        let half = 12 * 3600;
        assert_eq!(times.into_inner(), [half, 2 * half, 2 * half + 60, 3 * half + 60, 4 * half + 60]);
    }

    #[test]
    fn the_trust_domain_is_the_root_key_that_the_server_names() {
        let answer = |root_pubkey: &str| ConsumerAnswer { root_pubkey: root_pubkey.to_owned(), ..Default::default() };
        let (ours, text) = ([0xab; 32], "ab".repeat(32));
        assert!(check_root(&answer(&text), Some(ours)).is_ok() && check_root(&answer(""), None).is_ok());
        assert!(check_root(&answer(&text.to_uppercase()), Some(ours)).is_ok());
        for other in ["", &"cd".repeat(32), &text[..62]] {
            assert_eq!(check_root(&answer(other), Some(ours)).unwrap_err().kind(), ErrorKind::Credential);
        }
    }
}
