//! Adapter of the benchmarks: tonic with TLS. `serve` and `load ADDRESS`, as `bench/README.md` says.
//!
//! One current_thread runtime and mimalloc, as in `aster-bench`. `BENCH_TLS` names the folder of `key.pem`, `cert.pem`.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

mod client;
#[path = "../../rust/src/load.rs"]
mod load;
mod server;

mod bench {
    include!(concat!(env!("OUT_DIR"), "/bench.Bench.rs"));
}

use load::Fault;

/// A small message.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Text {
    #[prost(string, tag = "1")]
    pub body: String,
}

/// A large one.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Blob {
    #[prost(bytes = "bytes", tag = "1")]
    pub data: bytes::Bytes,
}

/// A number.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Count {
    #[prost(int64, tag = "1")]
    pub number: i64,
}

fn text() -> Text {
    Text { body: "0123456789abcdef".to_owned() }
}

fn pem(name: &str) -> Result<Vec<u8>, Fault> {
    Ok(std::fs::read(std::path::Path::new(&std::env::var("BENCH_TLS")?).join(name))?)
}

fn main() -> Result<(), Fault> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve"] => runtime.block_on(server::serve()),
        ["load", address] => runtime.block_on(client::load(address)),
        _ => Err("usage: aster-bench-tonic serve | load ADDRESS".into()),
    }
}
