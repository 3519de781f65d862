//! The limit: one bidi stream per call on a bare iroh connection, 32 bytes each way.

use std::net::SocketAddr;

use iroh::endpoint::{Connection, QuicTransportConfig, VarInt, presets};
use iroh::{Endpoint, EndpointAddr, EndpointId, RelayMode, TransportAddr};
use tokio::io::AsyncReadExt;

use crate::Outcome;
use crate::load::{Call, run};

const ALPN: &[u8] = b"bench/bare";
const MESSAGE: [u8; 32] = [7; 32];

async fn bind(alpns: Vec<Vec<u8>>) -> Result<Endpoint, Box<dyn std::error::Error>> {
    let transport = QuicTransportConfig::builder().max_concurrent_bidi_streams(VarInt::from_u32(2048)).build();
    Ok(Endpoint::builder(presets::Minimal)
        .relay_mode(RelayMode::Disabled)
        .transport_config(transport)
        .clear_ip_transports()
        .bind_addr("127.0.0.1:0")?
        .alpns(alpns)
        .bind()
        .await?)
}

/// Echoes every stream.
pub async fn serve() -> Outcome {
    let endpoint = bind(vec![ALPN.to_vec()]).await?;
    let socket = endpoint.bound_sockets().first().copied().ok_or("no socket")?;
    println!("{}", serde_json::json!({"address": format!("{}@{socket}", endpoint.id())}));
    let accepting = tokio::spawn(async move {
        while let Some(incoming) = endpoint.accept().await {
            tokio::spawn(async move {
                let Ok(connection) = incoming.await else { return };
                while let Ok((mut send, mut recv)) = connection.accept_bi().await {
                    tokio::spawn(async move {
                        if let Ok(message) = recv.read_to_end(1024).await {
                            let _ = send.write_all(&message).await;
                            let _ = send.finish();
                        }
                    });
                }
            });
        }
    });
    let mut rest = Vec::new();
    tokio::io::stdin().read_to_end(&mut rest).await?;
    accepting.abort();
    Ok(())
}

#[derive(Clone)]
struct Client(Connection);

impl Call for Client {
    async fn call(&self) -> Outcome {
        let (mut send, mut recv) = self.0.open_bi().await?;
        send.write_all(&MESSAGE).await?;
        send.finish()?;
        let answer = recv.read_to_end(1024).await?;
        if answer == MESSAGE { Ok(()) } else { Err("wrong answer".into()) }
    }
}

/// Makes calls on command.
pub async fn load(address: &str) -> Outcome {
    let (id, socket) = address.split_once('@').ok_or("expected ID@SOCKET")?;
    let target =
        EndpointAddr::from_parts(id.parse::<EndpointId>()?, [TransportAddr::Ip(socket.parse::<SocketAddr>()?)]);
    let endpoint = bind(Vec::new()).await?;
    let connection = endpoint.connect(target, ALPN).await?;
    run(Client(connection)).await?;
    endpoint.close().await;
    Ok(())
}
