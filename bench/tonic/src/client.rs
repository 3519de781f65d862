//! The client.

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use tonic::transport::{Certificate, Channel as Connection, ClientTlsConfig, Endpoint};

use crate::bench::bench_client::BenchClient;
use crate::load::{Channel, Fault, System, run};
use crate::{Blob, Count, Text, pem, text};

/// Makes calls on command.
pub async fn load(address: &str) -> Result<(), Fault> {
    run(Client::connect(address).await?).await
}

#[derive(Clone)]
struct Client {
    address: String,
    stub: BenchClient<Connection>,
    request: Text,
}

impl Client {
    async fn connect(address: &str) -> Result<Self, Fault> {
        let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem("cert.pem")?));
        let endpoint = Endpoint::from_shared(format!("https://{address}"))?.tls_config(tls)?;
        let stub = BenchClient::new(endpoint.connect().await?).max_decoding_message_size(16 << 20);
        Ok(Self { address: address.to_owned(), stub, request: text() })
    }
}

fn messages(count: usize) -> impl tokio_stream::Stream<Item = Text> + Send + 'static {
    tokio_stream::iter((0..count).map(|_| text()))
}

async fn expect(items: &mut Streaming<Text>, count: usize) -> Result<(), Fault> {
    let expected = text();
    let mut received = 0;
    while let Some(item) = items.message().await? {
        if item != expected {
            return Err("wrong item".into());
        }
        received += 1;
    }
    if received == count { Ok(()) } else { Err("wrong count".into()) }
}

impl System for Client {
    type Payload = Blob;
    type Channel = Chat;

    fn payload(bytes: Vec<u8>) -> Blob {
        Blob { data: bytes.into() }
    }

    async fn unary(&self) -> Result<(), Fault> {
        let answer = self.stub.clone().echo(self.request.clone()).await?;
        if *answer.get_ref() == self.request { Ok(()) } else { Err("wrong answer".into()) }
    }

    async fn echo(&self, payload: &Blob) -> Result<(), Fault> {
        let answer = self.stub.clone().echo_blob(payload.clone()).await?;
        if answer.get_ref() == payload { Ok(()) } else { Err("wrong answer".into()) }
    }

    async fn server_stream(&self, count: usize) -> Result<(), Fault> {
        let answer = self.stub.clone().repeat(Count { number: i64::try_from(count)? }).await?;
        expect(&mut answer.into_inner(), count).await
    }

    async fn client_stream(&self, count: usize) -> Result<(), Fault> {
        let answer = self.stub.clone().collect(messages(count)).await?;
        if answer.get_ref().number == i64::try_from(count)? { Ok(()) } else { Err("wrong count".into()) }
    }

    async fn bidi(&self, count: usize) -> Result<(), Fault> {
        let answer = self.stub.clone().chat(messages(count)).await?;
        expect(&mut answer.into_inner(), count).await
    }

    async fn channel(&self) -> Result<Chat, Fault> {
        let (sender, requests) = mpsc::channel(16);
        let answers = self.stub.clone().chat(ReceiverStream::new(requests)).await?.into_inner();
        Ok(Chat { sender, answers })
    }

    async fn session(&self) -> Result<Option<Self>, Fault> {
        Ok(None)
    }

    async fn another(&self) -> Result<Self, Fault> {
        Self::connect(&self.address).await
    }

    async fn close(self) {}
}

struct Chat {
    sender: mpsc::Sender<Text>,
    answers: Streaming<Text>,
}

impl Channel for Chat {
    async fn exchange(&mut self) -> Result<(), Fault> {
        self.sender.send(text()).await?;
        match self.answers.message().await? {
            Some(echo) if echo == text() => Ok(()),
            _ => Err("wrong echo".into()),
        }
    }

    async fn finish(mut self) -> Result<(), Fault> {
        drop(self.sender);
        expect(&mut self.answers, 0).await
    }
}
