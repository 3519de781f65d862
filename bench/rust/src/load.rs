//! The loop of a load process: slices of work on command, with their latencies.

use std::future::Future;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::Outcome;

/// A client that makes one call.
pub trait Call: Clone + 'static {
    /// Makes a call and checks its answer.
    fn call(&self) -> impl Future<Output = Outcome>;
}

/// Serves commands from stdin: `seq SECONDS`, `inflight-N SECONDS`.
pub async fn run(client: impl Call) -> Outcome {
    println!("{}", json!({"ready": true}));
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        let (workload, seconds) = line.split_once(' ').ok_or("expected: WORKLOAD SECONDS")?;
        let slice = Duration::from_secs_f64(seconds.parse()?);
        let width = match workload {
            "seq" => 1,
            other => other.strip_prefix("inflight-").ok_or("unknown workload")?.parse()?,
        };
        println!("{}", slice_of(&client, width, slice).await?);
    }
    Ok(())
}

async fn slice_of(
    client: &impl Call,
    width: usize,
    slice: Duration,
) -> Result<serde_json::Value, Box<dyn std::error::Error>> {
    let local = tokio::task::LocalSet::new();
    let begin = Instant::now();
    let end = begin + slice;
    let cpu = cpu_seconds();
    let workers: Vec<_> = (0..width)
        .map(|_| {
            let client = client.clone();
            local.spawn_local(async move {
                let mut latencies = Vec::new();
                loop {
                    let start = Instant::now();
                    if start >= end {
                        return Ok::<Vec<u64>, String>(latencies);
                    }
                    client.call().await.map_err(|error| error.to_string())?;
                    latencies.push(start.elapsed().as_nanos() as u64);
                }
            })
        })
        .collect();
    let mut latencies: Vec<u64> = Vec::new();
    local
        .run_until(async {
            for worker in workers {
                latencies.extend(worker.await.map_err(|error| error.to_string())??);
            }
            Ok::<(), String>(())
        })
        .await?;
    let seconds = begin.elapsed().as_secs_f64();
    latencies.sort_unstable();
    let at = |share: f64| {
        let last = latencies.len().saturating_sub(1);
        latencies.get((last as f64 * share) as usize).map_or(0.0, |ns| *ns as f64 / 1000.0)
    };
    Ok(json!({
        "calls": latencies.len(), "seconds": seconds, "p50_us": at(0.5), "p99_us": at(0.99),
        "cpu_s": cpu_seconds() - cpu,
    }))
}

/// Returns the CPU time of this process, from `/proc/self/stat` in clock ticks of 10 ms.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    let ticks = |index: usize| fields.get(index).and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / 100.0
}
