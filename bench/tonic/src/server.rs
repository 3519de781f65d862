//! The server.

use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio_stream::Stream;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Identity, Server, ServerTlsConfig};
use tonic::{Request, Response, Status, Streaming, async_trait};

use crate::bench::bench_server::{Bench, BenchServer};
use crate::load::Fault;
use crate::{Blob, Count, Text, pem, text};

type Items = std::pin::Pin<Box<dyn Stream<Item = Result<Text, Status>> + Send>>;

struct Service;

#[async_trait]
impl Bench for Service {
    async fn echo(&self, request: Request<Text>) -> Result<Response<Text>, Status> {
        Ok(Response::new(request.into_inner()))
    }

    async fn echo_blob(&self, request: Request<Blob>) -> Result<Response<Blob>, Status> {
        Ok(Response::new(request.into_inner()))
    }

    type RepeatStream = Items;

    async fn repeat(&self, request: Request<Count>) -> Result<Response<Items>, Status> {
        let items = (0..request.into_inner().number).map(|_| Ok(text()));
        Ok(Response::new(Box::pin(tokio_stream::iter(items))))
    }

    async fn collect(&self, request: Request<Streaming<Text>>) -> Result<Response<Count>, Status> {
        let mut items = request.into_inner();
        let mut number = 0;
        while items.message().await?.is_some() {
            number += 1;
        }
        Ok(Response::new(Count { number }))
    }

    type ChatStream = Items;

    async fn chat(&self, request: Request<Streaming<Text>>) -> Result<Response<Items>, Status> {
        Ok(Response::new(Box::pin(request.into_inner())))
    }
}

/// Serves until stdin closes.
pub async fn serve() -> Result<(), Fault> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", serde_json::json!({"address": listener.local_addr()?.to_string()}));
    let identity = Identity::from_pem(pem("cert.pem")?, pem("key.pem")?);
    let service = BenchServer::new(Service).max_decoding_message_size(16 << 20);
    let serving = Server::builder()
        .tls_config(ServerTlsConfig::new().identity(identity))?
        .add_service(service)
        .serve_with_incoming(TcpIncoming::from(listener).with_nodelay(Some(true)));
    let mut rest = Vec::new();
    let mut stdin = tokio::io::stdin();
    tokio::select! {
        served = serving => Ok(served?),
        read = stdin.read_to_end(&mut rest) => read.map(drop).map_err(Into::into),
    }
}
