//! C interface of Aster RPC: `libaster` and `include/aster.h` (`c-abi.md`).
//!
//! Every export runs behind one guard, checks its arguments, and calls core. Here are conversions, handles, threads
//! and wake-ups; what a peer can observe is decided in `aster-core`.
//!
//! Names of exported types are those of C. The doc comments of exports are those of the header: effect, ownership,
//! threads, errors.

#![expect(non_camel_case_types, reason = "types have their names in C")]

mod address;
mod admission;
mod bell;
mod call;
mod client;
mod config;
mod contract;
mod cq;
mod credential;
mod errors;
mod event;
mod file;
mod guard;
mod handle;
mod identity;
mod incoming;
mod keypair;
mod later;
mod log;
mod op;
mod options;
mod payload;
mod queue;
mod request;
mod runtime;
mod server;
mod slice;
mod value;
mod value_build;
mod value_read;
mod version;
