"""Nodes of one's own: an endpoint with blobs, documents and gossip (`python-api.md` section 11)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from aster._native import perform, receive
from aster.addresses import AddressLike, NodeAddr, addr_parts
from aster.blobs import BlobsClient
from aster.docs import DocsClient
from aster.gossip import GossipClient
from aster.hooks import NodeHookReceiver
from aster.net import EndpointConfig, IrohConnection, NetClient, OwnedNode, open_node

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from aster import _aster


class IrohNode:
    """A node: one endpoint with blobs, documents and gossip, in memory or in a folder.

    Opened by one of its static methods, closed with `close()`; one that is dropped open is closed, with a
    `ResourceWarning`. Without an `EndpointConfig` the `ASTER_*` settings of the network apply.
    """

    def __init__(self, native: _aster.Node, owner: OwnedNode | None = None) -> None:
        self._native = native
        self._owner = owner
        self._net = native.net

    @staticmethod
    async def memory() -> IrohNode:
        """Open a node that keeps nothing."""
        return await _open([], None)

    @staticmethod
    async def persistent(path: str | os.PathLike[str]) -> IrohNode:
        """Open a node whose key, blobs, documents and authors stay in a folder, which is made if need be.

        One node at a time may use a folder: `OSError` for the second.
        """
        return await _open([], None, path)

    @staticmethod
    async def memory_with_alpns(alpns: Sequence[bytes], endpoint_config: EndpointConfig | None = None) -> IrohNode:
        """Open a node in memory that accepts these protocols, and those of `endpoint_config`, for the application."""
        return await _open(alpns, endpoint_config)

    @staticmethod
    async def persistent_with_alpns(
        path: str | os.PathLike[str], alpns: Sequence[bytes], endpoint_config: EndpointConfig | None = None
    ) -> IrohNode:
        """Open a node in a folder that accepts these protocols for the application."""
        return await _open(alpns, endpoint_config, path)

    async def accept_aster(self) -> tuple[bytes, IrohConnection]:
        """Wait for the next connection of the application's protocols: protocol and connection.

        `RuntimeError` if the node was given none, `IrohError` once it is closed.
        """
        alpn, connection = await receive(self._net.accept)
        return alpn, IrohConnection(connection)

    async def take_hook_receiver(self) -> NodeHookReceiver | None:
        """Return what gives the handshakes to decide about, once; `None` without hooks."""
        handshakes = self._native.take_handshakes()
        return None if handshakes is None else NodeHookReceiver(handshakes)

    async def close(self) -> None:
        """End every connection and wait, and release endpoint, stores and folder. Repeatable."""
        await perform(self._native.close)

    async def shutdown(self) -> None:
        """Close the node; another name of `close`."""
        await self.close()

    def node_id(self) -> str:
        """Return the public key that is the node's id, 64 hex digits."""
        return self._native.id

    def endpoint_id(self) -> str:
        """Return the id; another name of `node_id`."""
        return self._native.id

    def node_addr(self) -> str:
        """Return where the node can be dialled now, as base64 text."""
        return str(self.node_addr_info())

    def node_addr_info(self) -> NodeAddr:
        """Return where the node can be dialled now."""
        return NodeAddr(*self._native.addr)

    def has_hooks(self) -> bool:
        """Tell whether the application decides about handshakes."""
        return self._native.has_hooks

    def add_node_addr(self, addr: AddressLike) -> None:
        """Tell the node where a peer may be reached. `ValueError` for what is no address."""
        self._native.add_addr(addr_parts(addr))

    def export_secret_key(self) -> bytes:
        """Return the seed of the node key, 32 bytes. Whoever has it is this node."""
        return self._native.secret_key

    def transport_metrics_prometheus(self) -> str:
        """Return counters of the transport in the text form that Prometheus reads."""
        return self._native.metrics

    def __repr__(self) -> str:
        return f"<IrohNode {self._native.id[:16]}...>"


async def _open(
    alpns: Sequence[bytes], config: EndpointConfig | None, path: str | os.PathLike[str] | None = None
) -> IrohNode:
    wanted: list[bytes] = list(dict.fromkeys([*alpns, *([] if config is None else config.alpns)]))
    native = await open_node(config, wanted, content=True, storage_path=None if path is None else _folder(path))
    return IrohNode(native, OwnedNode(native, "IrohNode"))


def _folder(path: str | os.PathLike[str]) -> str:
    return str(Path(path).expanduser().absolute())


class Faces:
    """The faces of the node of a server or client, each made once."""

    def __init__(self, native: _aster.Node) -> None:
        self.node = IrohNode(native)
        self.blobs = blobs_client(self.node)
        self.docs = docs_client(self.node)
        self.gossip = gossip_client(self.node)
        self.endpoint = net_client(self.node)


class HasNode:
    """Something that runs a node, with the faces of it; each is made once."""

    _faces: Faces | None = None

    def _native_node(self) -> _aster.Node:
        raise NotImplementedError(f"{type(self).__name__} does not say which node it runs")

    def _node_faces(self) -> Faces:
        native = self._native_node()
        if self._faces is None:
            self._faces = Faces(native)
        return self._faces

    @property
    def node(self) -> IrohNode:
        """The node. Closing it ends its connections."""
        return self._node_faces().node

    @property
    def blobs(self) -> BlobsClient:
        """The content store of the node."""
        return self._node_faces().blobs

    @property
    def docs(self) -> DocsClient:
        """The documents of the node."""
        return self._node_faces().docs

    @property
    def gossip(self) -> GossipClient:
        """The gossip of the node."""
        return self._node_faces().gossip

    @property
    def endpoint(self) -> NetClient:
        """The endpoint of the node."""
        return self._node_faces().endpoint


def blobs_client(node: IrohNode) -> BlobsClient:
    """Return the content store of a node."""
    return BlobsClient(node._native.blobs, node._owner)  # noqa: SLF001 - of this package


def docs_client(node: IrohNode) -> DocsClient:
    """Return the documents of a node."""
    return DocsClient(node._native.docs, node._owner)  # noqa: SLF001 - of this package


def gossip_client(node: IrohNode) -> GossipClient:
    """Return the gossip of a node."""
    return GossipClient(node._native.gossip, node._owner)  # noqa: SLF001 - of this package


def net_client(node: IrohNode) -> NetClient:
    """Return the endpoint of a node. Closing it closes the node."""
    return NetClient(node._native, node._owner)  # noqa: SLF001 - of this package
