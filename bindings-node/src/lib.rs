//! Node-API binding of Aster RPC: what `@aster/rpc` loads (`node-api.md`).
//!
//! Converts values, errors and wake-ups. The JavaScript side of the package owns decorators, stubs and lifetimes;
//! every rule of the protocol is in `aster_core`. Objects here are private to the package.

#![cfg_attr(test, allow(dead_code, reason = "the macros export nothing to a test binary"))]

mod admission;
mod answer;
mod call;
mod capability;
mod client;
mod config;
mod contract;
mod convert;
mod engine;
mod enrollment;
mod entries;
mod errors;
mod js;
mod mesh;
mod nonces;
mod peers;
mod plan;
mod queue;
mod registry;
mod runtime;
mod server;
mod session;
mod tables;
mod window;

// A call allocates small things on one thread and frees them on another; this costs a fifth of its time less.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
