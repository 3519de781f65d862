//! What admission costs beyond the handshake (`trust.md` section 6): a closed server in this process, and for each
//! round an endpoint of its own that connects, presents a credential and waits for the answer.
//!
//! Kinds of presentations take turns, so that load on the machine meets all alike. The handshake is what ends when the
//! dialler has a connection; admission is the time from there to the answer.

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use aster_core::config::{Config, Role, Sources};
use aster_core::engine::Queue;
use aster_core::keys;
use aster_core::node::{Server, ServerOptions};
use aster_core::rpc::Service;
use aster_core::trust::{ConsumerAnswer, Enrollment, EnrollmentKind};
use aster_core::wire;
use iroh::EndpointAddr;
use tokio::runtime::Builder;

use crate::bare;
use crate::engine::plans;
use crate::load::Fault;

/// Rounds per kind, unless told otherwise.
const ROUNDS: usize = 200;
/// The largest answer there is.
const LARGEST: usize = 1 << 20;
/// Lifetime of the credentials.
const LIFETIME: u64 = 3600;

/// Who signs.
struct Issuer {
    seed: [u8; 32],
    root: [u8; 32],
    expires_at: u64,
}

impl Issuer {
    fn credential(&self, token: Option<u64>) -> Result<String, Fault> {
        let nonce = token.map(|number| {
            let mut nonce = vec![0; 32];
            nonce[..8].copy_from_slice(&number.to_be_bytes());
            nonce
        });
        let mut made = Enrollment {
            kind: if nonce.is_some() { EnrollmentKind::OneTime } else { EnrollmentKind::Policy },
            nonce,
            endpoint_id: None,
            root_pubkey: self.root,
            expires_at: self.expires_at,
            attributes: BTreeMap::from([("aster.role".to_owned(), "ops.status".to_owned())]),
            signature: Vec::new(),
        };
        made.signature = made.sign(&self.seed)?.to_vec();
        Ok(made.to_json())
    }
}

/// One server: with a folder it writes each token down before it answers.
async fn serve(issuer: &Issuer, folder: Option<&str>) -> Result<Server, Fault> {
    let mut env: BTreeMap<String, String> = [
        ("ASTER_RELAY_MODE", "disabled".to_owned()),
        ("ASTER_BIND_ADDR", "127.0.0.1:0".to_owned()),
        ("ASTER_ROOT_PUBKEY", issuer.root.iter().map(|byte| format!("{byte:02x}")).collect()),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect();
    if let Some(folder) = folder {
        env.insert("ASTER_STORAGE_PATH".to_owned(), folder.to_owned());
    }
    let config = Config::resolve(Sources { env, role: Some(Role::Producer), ..Sources::default() })?;
    let server = Server::new(&config, ServerOptions::default())?;
    let [plan, _] = plans()?;
    server.register(Service { plan, queue: Queue::new(64, || ()), tag: 0, initial_credit: 16 })?;
    server.start().await?;
    Ok(server)
}

fn addr(server: &Server) -> Result<EndpointAddr, Fault> {
    let addr = server.node()?.addr();
    let socket = addr.direct_addresses.first().ok_or("no address")?;
    Ok(EndpointAddr::new(addr.endpoint_id.parse()?).with_ip_addr(socket.parse()?))
}

/// Connects and is admitted; returns the time of the handshake and that of admission.
async fn present(server: &EndpointAddr, credential: &str) -> Result<[Duration; 2], Fault> {
    let endpoint = bare::bind(Vec::new()).await?;
    let request = serde_json::json!({"credential_json": credential, "iid_token": ""}).to_string();
    let began = Instant::now();
    let connection = endpoint.connect(server.clone(), wire::ALPN_CONSUMER_ADMISSION).await?;
    let connected = Instant::now();
    let (mut send, mut recv) = connection.open_bi().await?;
    send.write_all(request.as_bytes()).await?;
    send.finish()?;
    let answer = recv.read_to_end(LARGEST).await?;
    let answered = Instant::now();
    if !ConsumerAnswer::parse(&answer)?.admitted {
        return Err("denied".into());
    }
    connection.close(0u32.into(), b"");
    endpoint.close().await;
    Ok([connected - began, answered - connected])
}

fn percentile(times: &mut [Duration], of_100: usize) -> f64 {
    times.sort_unstable();
    times.get(times.len() * of_100 / 100).map_or(0.0, |time| time.as_secs_f64() * 1e3)
}

/// Measures and prints a table.
pub fn run(args: &[String]) -> Result<(), Fault> {
    let rounds = args.first().map_or(Ok(ROUNDS), |text| text.parse())?;
    let (seed, root) = keys::generate()?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let issuer = Issuer { seed, root, expires_at: now + LIFETIME };
    let folder = std::env::temp_dir().join(format!("aster-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    // Server and clients have a thread each, as two processes would.
    let (hosting, measuring) = (runtime(true)?, runtime(false)?);
    let text = folder.to_str().ok_or("a folder in UTF-8")?;
    let (forgetful, careful) =
        hosting.block_on(async { Ok::<_, Fault>((serve(&issuer, None).await?, serve(&issuer, Some(text)).await?)) })?;
    let ways =
        [("policy", &forgetful), ("one-time token, in memory", &forgetful), ("one-time token, on disk", &careful)];
    let mut times: Vec<[Vec<Duration>; 2]> = ways.iter().map(|_| Default::default()).collect();
    measuring.block_on(async {
        for round in 0..=rounds {
            for ((name, server), times) in ways.iter().zip(&mut times) {
                let token = (*name != "policy").then_some(round as u64);
                let took = present(&addr(server)?, &issuer.credential(token)?).await?;
                // The first one warms up.
                if round > 0 {
                    times.iter_mut().zip(took).for_each(|(times, took)| times.push(took));
                }
            }
        }
        Ok::<_, Fault>(())
    })?;
    hosting.block_on(async {
        forgetful.close().await;
        careful.close().await;
    });
    std::fs::remove_dir_all(&folder)?;
    println!(
        "| {rounds} rounds, ms | handshake p50 | p99 | admission p50 | p99 | ratio of p50 |\n|---|---|---|---|---|---|"
    );
    for ((name, _), [handshake, admission]) in ways.iter().zip(&mut times) {
        let [h50, h99] = [50, 99].map(|part| percentile(handshake, part));
        let [a50, a99] = [50, 99].map(|part| percentile(admission, part));
        println!("| {name} | {h50:.2} | {h99:.2} | {a50:.2} | {a99:.2} | {:.2} |", a50 / h50);
    }
    Ok(())
}

fn runtime(threads: bool) -> Result<tokio::runtime::Runtime, Fault> {
    let mut builder = if threads { Builder::new_multi_thread() } else { Builder::new_current_thread() };
    Ok(builder.worker_threads(1).event_interval(aster_core::node::EVENT_INTERVAL).enable_all().build()?)
}
