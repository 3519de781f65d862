//! Core of Aster RPC: peer-to-peer RPC in which the public key is the address.
//!
//! Everything a peer can observe, everything that admits or refuses, everything that is hashed or signed is here,
//! once. Bindings convert values, errors and wake-ups. Imports point down:
//!
//! | layer | modules |
//! |---|---|
//! | L3, iroh | [`node`] |
//! | L2, tokio | [`admission`], [`registry`], [`rpc`], [`engine`] |
//! | L1, pure | [`mesh`], [`frame`], [`wire`], [`codec`], [`contract`], [`trust`], [`addr`], [`ticket`], [`config`], and [`types`], [`keys`] below them |
//! | L0, std | [`status`], [`error`], [`limits`], [`clock`], [`ids`], [`sync`] |
//!
//! Core reads no environment and no files, prints nothing, installs no log subscriber and makes no runtime.

pub mod addr;
pub mod admission;
pub mod clock;
pub mod codec;
pub mod config;
pub mod contract;
pub mod engine;
pub mod error;
pub mod frame;
pub mod ids;
pub mod keys;
pub mod limits;
pub mod mesh;
#[cfg(feature = "node")]
pub mod node;
pub mod registry;
pub mod rpc;
pub mod status;
pub mod sync;
pub mod ticket;
pub mod trust;
pub mod types;
pub mod wire;

/// Version of the library, the same in every package.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
