//! The loop of a load process: slices of work on command, with their latencies. `bench/tonic` uses it as well.

use std::error::Error;
use std::future::Future;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};

/// What anything here may fail with.
pub type Fault = Box<dyn Error + Send + Sync>;

/// A client of one system under test. Every answer is checked.
pub trait System: Clone + Send + Sync + 'static {
    /// A message with a body of some size.
    type Payload: Clone + 'static;
    /// An open bidi call.
    type Channel: Channel;

    /// Makes a message to echo.
    fn payload(bytes: Vec<u8>) -> Self::Payload;
    /// Makes a call with a small message.
    fn unary(&self) -> impl Future<Output = Result<(), Fault>> + Send;
    /// Has a message echoed.
    fn echo(&self, payload: &Self::Payload) -> impl Future<Output = Result<(), Fault>>;
    /// Asks for a stream of small messages and reads it to its end.
    fn server_stream(&self, count: usize) -> impl Future<Output = Result<(), Fault>>;
    /// Sends a stream of small messages.
    fn client_stream(&self, count: usize) -> impl Future<Output = Result<(), Fault>>;
    /// Has a stream of small messages echoed, as many on their way as may be.
    fn bidi(&self, count: usize) -> impl Future<Output = Result<(), Fault>>;
    /// Opens a bidi call.
    fn channel(&self) -> impl Future<Output = Result<Self::Channel, Fault>>;
    /// Opens a session whose calls `unary` makes then; `None` if the system has none.
    fn session(&self) -> impl Future<Output = Result<Option<Self>, Fault>>;
    /// Makes another client with a connection of its own.
    fn another(&self) -> impl Future<Output = Result<Self, Fault>>;
    /// Closes the connection.
    fn close(self) -> impl Future<Output = ()>;
}

/// An open bidi call whose server echoes.
pub trait Channel {
    /// Sends a small message and waits for its echo.
    fn exchange(&mut self) -> impl Future<Output = Result<(), Fault>>;
    /// Ends the call.
    fn finish(self) -> impl Future<Output = Result<(), Fault>>;
}

/// Serves `WORKLOAD SECONDS` lines from stdin (`bench/README.md` lists them).
pub async fn run<S: System>(system: S) -> Result<(), Fault> {
    println!("{}", json!({"ready": true}));
    let mut held = Vec::new();
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        let (workload, seconds) = line.split_once(' ').ok_or("expected: WORKLOAD SECONDS")?;
        let slice = Duration::from_secs_f64(seconds.parse()?);
        let answer = work(&system, workload, slice, &mut held).await?;
        println!("{}", answer.unwrap_or(json!({"unsupported": true})));
    }
    for client in held {
        client.close().await;
    }
    system.close().await;
    Ok(())
}

/// Does one slice; `None` if the system cannot do it. What is to stay open goes to `held`.
async fn work<S: System>(
    system: &S,
    workload: &str,
    slice: Duration,
    held: &mut Vec<S>,
) -> Result<Option<Value>, Fault> {
    let (kind, size) = match workload.rsplit_once('-') {
        Some((kind, size)) => (kind, size.parse::<usize>()?),
        None => (workload, 1),
    };
    Ok(Some(match kind {
        "unary" => concurrent(system, size, slice).await?,
        "echo" => {
            let payload = S::payload(noise(size));
            repeated(slice, 1, async || system.echo(&payload).await).await?
        }
        "server-stream" => repeated(slice, size, async || system.server_stream(size).await).await?,
        "client-stream" => repeated(slice, size, async || system.client_stream(size).await).await?,
        "bidi" => repeated(slice, size, async || system.bidi(size).await).await?,
        "pingpong" => {
            let mut channel = system.channel().await?;
            let answer = repeated(slice, 1, async || channel.exchange().await).await?;
            channel.finish().await?;
            answer
        }
        "session" => {
            let Some(session) = system.session().await? else { return Ok(None) };
            repeated(slice, 1, async || session.unary().await).await?
        }
        "connect" => connects(system, slice).await?,
        "clients" => {
            for _ in 0..size {
                let client = system.another().await?;
                client.unary().await?;
                held.push(client);
            }
            json!({"held": size})
        }
        "sessions" => {
            for _ in 0..size {
                let Some(session) = system.session().await? else { return Ok(None) };
                session.unary().await?;
                held.push(session);
            }
            json!({"held": size})
        }
        _ => return Ok(None),
    }))
}

/// Bytes that do not compress.
fn noise(size: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..size).map(|_| next()).collect()
}

/// One call after the other, each of `units` messages.
async fn repeated(
    slice: Duration,
    units: usize,
    mut call: impl AsyncFnMut() -> Result<(), Fault>,
) -> Result<Value, Fault> {
    let begin = Instant::now();
    let mut latencies = Vec::new();
    while begin.elapsed() < slice {
        let start = Instant::now();
        call().await?;
        latencies.push(start.elapsed());
    }
    Ok(summary(latencies, units, begin.elapsed()))
}

/// Calls of small messages, `width` of them open at any time.
async fn concurrent<S: System>(system: &S, width: usize, slice: Duration) -> Result<Value, Fault> {
    let begin = Instant::now();
    let workers: Vec<_> = (0..width)
        .map(|_| {
            let system = system.clone();
            tokio::spawn(async move {
                let mut latencies = Vec::new();
                loop {
                    let start = Instant::now();
                    if start - begin >= slice {
                        return Ok::<Vec<Duration>, Fault>(latencies);
                    }
                    system.unary().await?;
                    latencies.push(start.elapsed());
                }
            })
        })
        .collect();
    let mut latencies = Vec::new();
    for worker in workers {
        latencies.extend(worker.await??);
    }
    Ok(summary(latencies, 1, begin.elapsed()))
}

/// New clients, each for one call; closing them is not part of the latency.
async fn connects<S: System>(system: &S, slice: Duration) -> Result<Value, Fault> {
    let begin = Instant::now();
    let mut latencies = Vec::new();
    while begin.elapsed() < slice {
        let start = Instant::now();
        let client = system.another().await?;
        client.unary().await?;
        latencies.push(start.elapsed());
        client.close().await;
    }
    Ok(summary(latencies, 1, begin.elapsed()))
}

fn summary(mut latencies: Vec<Duration>, units: usize, took: Duration) -> Value {
    latencies.sort_unstable();
    let at = |share: f64| {
        let last = latencies.len().saturating_sub(1);
        latencies.get((last as f64 * share) as usize).map_or(0.0, |time| time.as_secs_f64() * 1e6)
    };
    json!({
        "units": latencies.len() * units, "seconds": took.as_secs_f64(), "p50_us": at(0.5), "p99_us": at(0.99),
    })
}
