//! The limit: one bidi stream per call on a bare iroh connection, messages of 32 bytes, one write for each.

use std::net::SocketAddr;

use bytes::Bytes;
use iroh::endpoint::{Connection, QuicTransportConfig, RecvStream, SendStream, VarInt, presets};
use iroh::{Endpoint, EndpointAddr, EndpointId, RelayMode, TransportAddr};
use tokio::io::AsyncReadExt;

use crate::load::{Channel, Fault, System, run};

const ALPN: &[u8] = b"bench/bare";
const LEN: usize = 32;
const LARGEST: usize = 2 * 1024 * 1024;
/// The first byte of a stream says what it is for.
const ECHO: u8 = b'E';
const COUNT: u8 = b'S';
const COLLECT: u8 = b'C';
const CHAT: u8 = b'B';
const MESSAGE: [u8; LEN] = [ECHO; LEN];

/// Binds an endpoint on loopback.
pub async fn bind(alpns: Vec<Vec<u8>>) -> Result<Endpoint, Fault> {
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

/// Serves every stream.
pub async fn serve() -> Result<(), Fault> {
    let endpoint = bind(vec![ALPN.to_vec()]).await?;
    let socket = endpoint.bound_sockets().first().copied().ok_or("no socket")?;
    println!("{}", serde_json::json!({"address": format!("{}@{socket}", endpoint.id())}));
    let accepting = tokio::spawn(async move {
        while let Some(incoming) = endpoint.accept().await {
            tokio::spawn(async move {
                let Ok(connection) = incoming.await else { return };
                while let Ok((send, recv)) = connection.accept_bi().await {
                    tokio::spawn(async move { drop(answer(send, recv).await) });
                }
            });
        }
    });
    let mut rest = Vec::new();
    tokio::io::stdin().read_to_end(&mut rest).await?;
    accepting.abort();
    Ok(())
}

async fn answer(mut send: SendStream, mut recv: RecvStream) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let Some(first) = recv.read_chunk(LARGEST).await? else { return Ok(()) };
    match first.first() {
        Some(&COUNT) => {
            recv.read_to_end(0).await?;
            let number = first.get(1..5).and_then(|four| four.try_into().ok()).ok_or("no count")?;
            for _ in 0..u32::from_be_bytes(number) {
                send.write_all(&MESSAGE).await?;
            }
        }
        Some(&COLLECT) => {
            let mut total = first.len() as u64;
            while let Some(chunk) = recv.read_chunk(LARGEST).await? {
                total += chunk.len() as u64;
            }
            send.write_all(&(total / LEN as u64).to_be_bytes()).await?;
        }
        Some(&CHAT) => {
            let mut held = first.to_vec();
            loop {
                let whole = held.len() / LEN * LEN;
                for message in held[..whole].chunks(LEN) {
                    send.write_all(message).await?;
                }
                held.drain(..whole);
                let Some(chunk) = recv.read_chunk(LARGEST).await? else { break };
                held.extend_from_slice(&chunk);
            }
        }
        _ => {
            let mut message = Vec::from(first);
            match recv.read_to_end(LARGEST).await? {
                rest if rest.is_empty() => {}
                rest => message.extend(rest),
            }
            send.write_chunk(message.into()).await?;
        }
    }
    send.finish()?;
    Ok(())
}

/// Makes calls on command.
pub async fn load(address: &str) -> Result<(), Fault> {
    let (id, socket) = address.split_once('@').ok_or("expected ID@SOCKET")?;
    let ip = TransportAddr::Ip(socket.parse::<SocketAddr>()?);
    run(Client::connect(EndpointAddr::from_parts(id.parse::<EndpointId>()?, [ip])).await?).await
}

#[derive(Clone)]
struct Client {
    target: EndpointAddr,
    endpoint: Endpoint,
    connection: Connection,
}

impl Client {
    async fn connect(target: EndpointAddr) -> Result<Self, Fault> {
        let endpoint = bind(Vec::new()).await?;
        let connection = endpoint.connect(target.clone(), ALPN).await?;
        Ok(Self { target, endpoint, connection })
    }
}

impl System for Client {
    type Payload = Bytes;
    type Channel = Chat;

    fn payload(mut bytes: Vec<u8>) -> Bytes {
        if let Some(first) = bytes.first_mut() {
            *first = ECHO;
        }
        bytes.into()
    }

    async fn unary(&self) -> Result<(), Fault> {
        let (mut send, mut recv) = self.connection.open_bi().await?;
        send.write_all(&MESSAGE).await?;
        send.finish()?;
        if recv.read_to_end(LEN).await? == MESSAGE { Ok(()) } else { Err("wrong answer".into()) }
    }

    async fn echo(&self, payload: &Bytes) -> Result<(), Fault> {
        let (mut send, mut recv) = self.connection.open_bi().await?;
        send.write_chunk(payload.clone()).await?;
        send.finish()?;
        if recv.read_to_end(LARGEST).await? == *payload { Ok(()) } else { Err("wrong answer".into()) }
    }

    async fn server_stream(&self, count: usize) -> Result<(), Fault> {
        let (mut send, mut recv) = self.connection.open_bi().await?;
        let mut request = [COUNT; 5];
        request[1..].copy_from_slice(&u32::try_from(count)?.to_be_bytes());
        send.write_all(&request).await?;
        send.finish()?;
        expect_bytes(&mut recv, count * LEN).await
    }

    async fn client_stream(&self, count: usize) -> Result<(), Fault> {
        let (mut send, mut recv) = self.connection.open_bi().await?;
        for _ in 0..count {
            send.write_all(&[COLLECT; LEN]).await?;
        }
        send.finish()?;
        let total = recv.read_to_end(8).await?;
        if total == (count as u64).to_be_bytes() { Ok(()) } else { Err("wrong count".into()) }
    }

    async fn bidi(&self, count: usize) -> Result<(), Fault> {
        let (mut send, mut recv) = self.connection.open_bi().await?;
        let sending = async {
            for _ in 0..count {
                send.write_all(&[CHAT; LEN]).await?;
            }
            Ok::<(), Fault>(send.finish()?)
        };
        tokio::try_join!(sending, expect_bytes(&mut recv, count * LEN))?;
        Ok(())
    }

    async fn channel(&self) -> Result<Chat, Fault> {
        let (send, recv) = self.connection.open_bi().await?;
        Ok(Chat { send, recv })
    }

    async fn session(&self) -> Result<Option<Self>, Fault> {
        Ok(None)
    }

    async fn another(&self) -> Result<Self, Fault> {
        Self::connect(self.target.clone()).await
    }

    async fn close(self) {
        self.endpoint.close().await;
    }
}

async fn expect_bytes(recv: &mut RecvStream, expected: usize) -> Result<(), Fault> {
    let mut total = 0;
    while let Some(chunk) = recv.read_chunk(LARGEST).await? {
        total += chunk.len();
    }
    if total == expected { Ok(()) } else { Err("wrong length".into()) }
}

struct Chat {
    send: SendStream,
    recv: RecvStream,
}

impl Channel for Chat {
    async fn exchange(&mut self) -> Result<(), Fault> {
        self.send.write_all(&[CHAT; LEN]).await?;
        let mut echo = [0; LEN];
        self.recv.read_exact(&mut echo).await?;
        if echo == [CHAT; LEN] { Ok(()) } else { Err("wrong echo".into()) }
    }

    async fn finish(mut self) -> Result<(), Fault> {
        self.send.finish()?;
        expect_bytes(&mut self.recv, 0).await
    }
}
