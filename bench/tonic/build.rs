//! Generates stubs as from bench/bench.proto, without protoc: the messages are declared in src/main.rs.

use tonic_build::manual::{Builder, Method, Service};

fn main() {
    let method = |name: &str, route: &str, input: &str, output: &str| {
        let (input, output) = (format!("crate::{input}"), format!("crate::{output}"));
        Method::builder()
            .name(name)
            .route_name(route)
            .input_type(input)
            .output_type(output)
            .codec_path("tonic_prost::ProstCodec")
    };
    let bench = Service::builder()
        .name("Bench")
        .package("bench")
        .method(method("echo", "Echo", "Text", "Text").build())
        .method(method("echo_blob", "EchoBlob", "Blob", "Blob").build())
        .method(method("repeat", "Repeat", "Count", "Text").server_streaming().build())
        .method(method("collect", "Collect", "Text", "Count").client_streaming().build())
        .method(method("chat", "Chat", "Text", "Text").client_streaming().server_streaming().build())
        .build();
    Builder::new().compile(&[bench]);
}
