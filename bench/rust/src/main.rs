//! Rust adapters of the benchmarks (`bench/run.py`): calls through the engine, and bare iroh streams as the limit.
//!
//! `aster-bench serve SYSTEM` prints an address line and serves until stdin closes.
//! `aster-bench load SYSTEM ADDRESS` reads `WORKLOAD SECONDS` lines and answers each with a JSON line.
//! `aster-bench codec [SLICES] [MICROSECONDS]` compares the codec with the fory crate.
//! `aster-bench admission [ROUNDS]` compares admission with the handshake before it.
//! Calls run on one current_thread runtime, as bindings do.

// The allocator of the Python and Node bindings, for both systems.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

mod admission;
mod bare;
mod codec;
mod engine;
mod load;

use aster_core::node::EVENT_INTERVAL;
use tokio::runtime::Builder;

/// What tokio takes by default.
const TOKIO_EVENT_INTERVAL: u32 = 61;

type Outcome = Result<(), load::Fault>;

fn main() -> Outcome {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let Some(("codec", rest)) = args.split_first().map(|(first, rest)| (first.as_str(), rest)) {
        return codec::run(rest);
    }
    if let Some(("admission", rest)) = args.split_first().map(|(first, rest)| (first.as_str(), rest)) {
        return admission::run(rest);
    }
    let ours = args.get(1).is_some_and(|system| system == "engine");
    let interval = if ours { EVENT_INTERVAL } else { TOKIO_EVENT_INTERVAL };
    // One thread unless told otherwise: RESULTS.md has what more of them bring.
    let workers = std::env::var("BENCH_WORKERS").ok().and_then(|text| text.parse().ok()).unwrap_or(0);
    let mut threads = if workers > 0 { Builder::new_multi_thread() } else { Builder::new_current_thread() };
    let runtime = threads.worker_threads(workers.max(1)).event_interval(interval).enable_all().build()?;
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve", "bare"] => runtime.block_on(bare::serve()),
        ["serve", "engine"] => runtime.block_on(engine::serve()),
        ["load", "bare", address] => runtime.block_on(bare::load(address)),
        ["load", "engine", address] => runtime.block_on(engine::load(address)),
        _ => Err(
            "usage: aster-bench serve|load bare|engine [ADDRESS], codec [SLICES] [MICROSECONDS], or admission [ROUNDS]"
                .into(),
        ),
    }
}
