//! Nodes on iroh: the endpoint, its router, and servers and clients of calls on top.
//!
//! The only iroh imports of the crate are here, and no iroh type leaves: bindings see boxed futures and
//! handles. Rules of the protocol are in the layers below.

mod client;
mod endpoint;
mod handler;
mod hooks;
mod server;
mod transport;

pub use client::{Client, ClientInfo, ClientOptions};
pub use server::{Server, ServerOptions};
