"""Adapter: grpc.aio with TLS, bytes handlers and a hand-written codec for the same message."""

from __future__ import annotations

import asyncio
import base64
import datetime
import ipaddress
import json
import sys

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from load import run, say, until_stdin_closes

METHOD = "/bench.Bench/Echo"


def certificate() -> tuple[bytes, bytes]:
    """Makes a self-signed certificate for 127.0.0.1."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.timezone.utc)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return private, signed.public_bytes(pem)


# One string field as protobuf writes it, for texts below 128 bytes: no generated code is needed for a fair encoding.
def encode(text: str) -> bytes:
    raw = text.encode()
    return bytes([0x0A, len(raw)]) + raw


def decode(raw: bytes) -> str:
    return raw[2 : 2 + raw[1]].decode()


async def echo(request: bytes, context: grpc.aio.ServicerContext) -> bytes:
    return encode(decode(request))


async def serve() -> None:
    key, cert = certificate()
    server = grpc.aio.server()
    handler = grpc.unary_unary_rpc_method_handler(echo)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("bench.Bench", {"Echo": handler}),))
    port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([(key, cert)]))
    await server.start()
    say(address=json.dumps({"target": f"127.0.0.1:{port}", "root": base64.b64encode(cert).decode()}))
    await until_stdin_closes()
    await server.stop(None)


async def load(address: str) -> None:
    where = json.loads(address)
    credentials = grpc.ssl_channel_credentials(base64.b64decode(where["root"]))
    async with grpc.aio.secure_channel(where["target"], credentials) as channel:
        method = channel.unary_unary(METHOD)

        async def call() -> None:
            assert decode(await method(encode("0123456789abcdef"))) == "0123456789abcdef"

        await run(call)


if __name__ == "__main__":
    asyncio.run(serve() if sys.argv[1] == "serve" else load(sys.argv[2]))
