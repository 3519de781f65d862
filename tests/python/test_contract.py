"""`aster.contract`: the shared vectors through the public API, manifests, exports, collections, the start check."""

from __future__ import annotations

import enum
import json
import os
import warnings
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, make_dataclass
from pathlib import Path

import pytest

from aster import (
    AsterServer,
    BlobNotFound,
    DeadlineInterceptor,
    Metadata,
    SerializationMode,
    all_of,
    any_of,
    rpc,
    server_stream,
    service,
    wire_type,
)
from aster.contract import (
    CapabilityKind,
    CapabilityRequirement,
    ContainerKind,
    ContractManifest,
    EnumValueDef,
    FatalContractMismatch,
    FieldDef,
    MethodDef,
    MethodPattern,
    ScopeKind,
    ServiceContract,
    TypeDef,
    TypeDefKind,
    TypeKind,
    build_type_graph,
    canonical_xlang_bytes,
    compute_contract_id,
    compute_type_hash,
    contract_id_from_service,
    extract_method_descriptors,
    normalize_identifier,
    resolve_with_cycles,
    verify_manifest_or_fatal,
)
from aster.contract.manifest import read_manifests
from aster.contract.publication import (
    build_collection,
    fetch_from_collection,
    upload_collection,
    verify_collection,
)
from conftest import VECTORS
from declared import NotDeclarable, declare_service
from support import Echo, Item, Num, Text, asynchronous, raised, served

CONTRACT = json.loads((VECTORS / "contract.json").read_text(encoding="utf-8"))
KINDS = {"zigzag32": "zigzag", "zigzag64": "zigzag"}


def identified(group):
    return [pytest.param(case, id=case["id"]) for case in CONTRACT[group]]


def declared(group):
    """Return the cases whose description Python declares, with the class."""
    found = []
    for case in CONTRACT[group]:
        try:
            found.append(pytest.param(case, declare_service(case["description"])[0], id=case["id"]))
        except NotDeclarable:
            continue
    return found


# -- the vectors ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", identified("primitives"))
def test_primitives(case):
    kind = case["id"].partition("/")[0]
    value = bytes.fromhex(case["value"]) if kind == "bytes" else case["value"]
    assert canonical_xlang_bytes(value, kind=KINDS.get(kind, kind)).hex() == case["hex"]


@pytest.mark.parametrize("case", identified("type_defs"))
def test_type_definitions(case):
    definition = TypeDef.from_dict(case["json"])
    canonical = canonical_xlang_bytes(definition)
    assert canonical.hex() == case["hex"]
    assert compute_type_hash(definition).hex() == compute_type_hash(canonical).hex() == case["hash"]
    read = TypeDef.from_bytes(canonical)
    assert read.to_dict() == case["decoded"]
    assert canonical_xlang_bytes(read) == canonical


@pytest.mark.parametrize("case", identified("methods"))
def test_methods(case):
    assert canonical_xlang_bytes(MethodDef.from_dict(case["json"])).hex() == case["hex"]


@pytest.mark.parametrize("case", identified("contracts"))
def test_contracts(case):
    contract = ServiceContract.from_dict(case["json"])
    canonical = canonical_xlang_bytes(contract)
    assert canonical.hex() == case["hex"]
    assert compute_contract_id(contract) == compute_contract_id(canonical) == case["contract_id"]
    assert ServiceContract.from_bytes(canonical).to_dict() == case["decoded"]


@pytest.mark.parametrize("case", identified("graphs"))
def test_graphs(case):
    graph = build_type_graph(case["types"])
    found = {name: (node.canonical.hex(), node.hash.hex(), node.entering_ref.hex()) for name, node in graph.items()}
    assert found == {
        name: (of["hex"], of["hash"], of.get("entering_ref", of["hash"])) for name, of in case["type_defs"].items()
    }
    assert sorted(map(list, graph.cycles)) == sorted(case["cyclic_components"])
    resolved = resolve_with_cycles(graph)
    assert resolved == resolve_with_cycles(case["types"])
    assert {name: compute_type_hash(each).hex() for name, each in resolved.items()} == {
        name: of["hash"] for name, of in case["type_defs"].items()
    }
    linked_back(graph, resolved)


def linked_back(graph, resolved):
    """Every reference in the definitions is that of a type which came before, or a name inside the cycle."""
    hashes = {value: name for name, node in graph.items() for value in (node.hash, node.entering_ref)}
    cycle_of = {name: cycle for cycle in graph.cycles for name in cycle}
    seen = set()
    for name, definition in resolved.items():
        for each in definition.fields:
            for kind, ref in ((each.type_kind, each.type_ref), (each.container_key_kind, each.container_key_ref)):
                if kind is TypeKind.REF:
                    assert hashes[ref] in seen, (name, each.name)
            if each.type_kind is TypeKind.SELF_REF:
                assert each.self_ref_name in cycle_of[name]
        seen.add(name)


@pytest.mark.parametrize("case", identified("manifests"))
def test_manifests_are_read_as_they_are(case):
    text = json.dumps(case["manifest"], indent=2, ensure_ascii=False) + "\n"
    manifest = ContractManifest.from_json(text)
    assert manifest.verified
    assert manifest.to_json() == text
    assert manifest.data == case["manifest"]
    for key, value in case["manifest"].items():
        if key != "v":
            assert getattr(manifest, key) == value


@pytest.mark.parametrize(("case", "cls"), declared("services"))
def test_services(case, cls):
    contract = ServiceContract.from_service(cls)
    assert contract.to_dict() == case["contract"]
    assert canonical_xlang_bytes(contract).hex() == case["hex"]
    assert compute_contract_id(contract) == contract_id_from_service(cls) == case["contract_id"]
    assert ContractManifest.from_service(cls).type_hashes == case["type_hashes"]


@pytest.mark.parametrize(("case", "cls"), declared("manifests"))
def test_manifests_of_services(case, cls):
    manifest = ContractManifest.from_service(cls)
    assert manifest.contract_id == case["manifest"]["contract_id"]
    assert manifest.types.keys() == case["manifest"]["types"].keys()
    assert ContractManifest.from_json(manifest.to_json()) == manifest


def test_what_python_declares():
    names = {param.id for group in ("services", "manifests") for param in declared(group)}
    everything = {case["id"] for case in CONTRACT["services"] + CONTRACT["manifests"]}
    assert everything - names == {"bare_scalars", "shop"}  # methods in Python neither take nor give bare scalars


@pytest.mark.parametrize("case", identified("negative"))
def test_what_is_refused(case):
    documents = {"type_def": TypeDef, "service_contract": ServiceContract}
    with pytest.raises((TypeError, ValueError)):
        if "types" in case:
            build_type_graph(case["types"])
        elif "json" in case:
            canonical_xlang_bytes(documents[case["kind"]].from_dict(case["json"]))
        else:
            documents[case["kind"]].from_bytes(bytes.fromhex(case["hex"]))


# -- the model -----------------------------------------------------------------------------------------------------


def test_the_model_by_hand():
    color = TypeDef(
        TypeDefKind.ENUM,
        "test",
        "Color",
        enum_values=[EnumValueDef("BLUE", 2), EnumValueDef("RED", 0), EnumValueDef("GREEN", 1)],
    )
    known = "bac1586aaa144fa0b565268419da29f18e536f18c7290e4bdf3496919cfa29ce"
    assert compute_type_hash(color).hex() == known
    painted = TypeDef(
        package="test",
        name="Painted",
        fields=[FieldDef(name="colors", type_kind=TypeKind.REF, type_ref=bytes.fromhex(known))],
    )
    painted.fields[0].container = ContainerKind.LIST
    read = TypeDef.from_bytes(painted.to_bytes())
    assert (read.fields[0].id, read.fields[0].container, read.fields[0].type_ref.hex()) == (
        1,
        ContainerKind.LIST,
        known,
    )
    method = MethodDef("do", MethodPattern.BIDI_STREAM, bytes(32), bytes(32))
    needs = ServiceContract("S", 1, [method], ["xlang"], requires=CapabilityRequirement("any_of", ("b", "a")))
    same = ServiceContract("S", 1, [method], ["xlang"])
    same.requires = CapabilityRequirement(CapabilityKind.ANY_OF, ["a", "b"])
    assert compute_contract_id(needs) == compute_contract_id(same)
    assert ServiceContract.from_bytes(needs.to_bytes()).requires == any_of("a", "b")
    assert ServiceContract.from_dict({"scoped": "stream"}).scoped is ScopeKind.SESSION


@pytest.mark.parametrize(
    ("broken", "error"),
    [
        (lambda: TypeDef.from_dict({"kind": "record"}), ValueError),
        (lambda: TypeDef.from_dict({"colour": 1}), TypeError),
        (lambda: FieldDef.from_dict({"type_ref": "AB"}), ValueError),
        (lambda: FieldDef.from_dict({"type_ref": "a b"}), ValueError),
        (lambda: canonical_xlang_bytes(FieldDef()), TypeError),
        (lambda: canonical_xlang_bytes(-1, kind="uvarint"), TypeError),
        (lambda: canonical_xlang_bytes(1, kind="type"), TypeError),
        (lambda: TypeDef(fields=[FieldDef(name="a", type_ref=b"short")]).to_bytes(), TypeError),
        (lambda: ServiceContract("S", 1, serialization_modes=["native"]).to_bytes(), TypeError),
        (lambda: contract_id_from_service(Num), TypeError),
        (lambda: ContractManifest.from_service(object()), TypeError),
    ],
)
def test_misuse(broken, error):
    with pytest.raises(error):
        broken()


@wire_type("graph/Author")
@dataclass
class Author:
    name: str = ""
    books: list[Book] = field(default_factory=list)


@wire_type("graph/Book")
@dataclass
class Book:
    title: str = ""
    written_by: Author | None = None


def test_graphs_of_classes():
    graph = build_type_graph([Author, Item])
    assert set(graph) == {"graph.Author", "graph.Book", "test.Item"}
    assert graph.cycles == (("graph.Book", "graph.Author"),)
    assert dict(graph) == dict(build_type_graph((Item, Book)))
    book = resolve_with_cycles([Book])["graph.Book"]
    [link] = [each for each in book.fields if each.name == "written_by"]
    assert (link.type_kind, link.self_ref_name, link.optional) == (TypeKind.SELF_REF, "graph.Author", True)
    assert list(build_type_graph(Num)) == ["test.Num"]
    assert "test.Everything" in build_type_graph(Echo)
    with pytest.raises(TypeError, match="unknown type"):
        build_type_graph({"a/B": {"fields": [{"name": "x", "type": "a/C"}]}})


@pytest.mark.parametrize(("given", "normal"), [("name", "name"), ("cafe\u0301", "caf\u00e9"), ("_x1", "_x1")])
def test_identifiers(given, normal):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert normalize_identifier(given) == normal


@pytest.mark.parametrize("given", ["", "a b", "1a", "a-b", "a.b"])
def test_what_is_no_identifier(given):
    with pytest.raises(ValueError, match="not an identifier"):
        normalize_identifier(given)


@pytest.mark.parametrize(
    ("given", "scripts"),
    [("p\u0430y", "Latin and Cyrillic"), ("\u03b1a", "Latin and Greek"), ("\u0430\u03b1", "Cyrillic and Greek")],
)
def test_identifiers_that_mix_scripts(given, scripts):
    with pytest.warns(UserWarning, match=scripts) as caught:
        assert normalize_identifier(given) == given
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert normalize_identifier("\u043f\u0440") == "\u043f\u0440"  # one script alone


# -- what an id commits to -----------------------------------------------------------------------------------------


def declare_one(
    service_options=None, method_options=None, annotation="int", tag="id/Value", member=1, extra=(), default=0, docs=""
):
    """Return the id of a service of one method; each argument changes one thing."""
    level = wire_type("id/Level")(enum.IntEnum("Level", {"LOW": 0, "HIGH": member}))
    container = {"l": list, "s": set}.get(annotation[0])
    given = field(default=default) if container is None else field(default_factory=container)
    fields = [("value", annotation, given), ("level", level, field(default=level.LOW)), *extra]
    value = wire_type(tag, metadata={"value": Metadata(docs)})(make_dataclass("Value", fields))

    async def call(self, value):
        """Call."""

    call.__annotations__ = {"value": value, "return": value}
    method = rpc(**{"name": "call", **(method_options or {})})(call)
    members = {"method": method, "__init__": lambda self, peer=None: None}
    return contract_id_from_service(service(**{"name": "Id", **(service_options or {})})(type("Declared", (), members)))


@pytest.mark.parametrize(
    "same",
    [
        {"service_options": {"metadata": Metadata("text", ["tag"], deprecated=True)}},
        {"service_options": {"public": True}},
        {"service_options": {"max_concurrent_streams": 5, "interceptors": [DeadlineInterceptor()]}},
        {"service_options": {"serialization": SerializationMode.XLANG}},
        {"method_options": {"metadata": Metadata("text", ["tag"], deprecated=True)}},
        {"default": 7},
        {"docs": "text"},
    ],
    ids=["labels", "public", "limits", "modes", "labels of a method", "defaults", "documentation"],
)
def test_what_is_no_identity(same):
    assert declare_one(**same) == declare_one()


def test_what_is_identity():
    ids = [
        declare_one(),
        declare_one({"name": "Other"}),
        declare_one({"version": 2}),
        declare_one({"scoped": "session"}),
        declare_one({"requires": "a"}),
        declare_one({"requires": any_of("a")}),
        declare_one({"requires": all_of("a")}),
        declare_one({"requires": any_of("a", "b")}),
        declare_one({"serialization": [SerializationMode.XLANG, SerializationMode.JSON]}),
        declare_one({"serialization": [SerializationMode.JSON, SerializationMode.XLANG]}),
        declare_one({"serialization": [SerializationMode.NATIVE]}),
        declare_one(method_options={"name": "other"}),
        declare_one(method_options={"timeout": 1.0}),
        declare_one(method_options={"timeout": 2.0}),
        declare_one(method_options={"idempotent": True}),
        declare_one(method_options={"requires": "a"}),
        declare_one(annotation="float"),
        declare_one(annotation="int | None"),
        declare_one(annotation="list[int]"),
        declare_one(annotation="list[int | None]"),
        declare_one(annotation="set[int]"),
        declare_one(tag="id/Other"),
        declare_one(tag="other/Value"),
        declare_one(member=2),
        declare_one(extra=[("more", "int", field(default=0))]),
        declare_one(extra=[("other", "int", field(default=0))]),
    ]
    assert len(set(ids)) == len(ids)


# -- manifests -----------------------------------------------------------------------------------------------------


@service("Bazaar", version=3, requires=all_of("a", "b"))
class Bazaar:
    """What is on sale."""

    @rpc(timeout=1.5, idempotent=True)
    async def find(self, name: str, at_most: int | None = None) -> Item:
        """Find one."""
        raise NotImplementedError

    @server_stream
    async def watch(self, request: Text) -> AsyncIterator[Num]:
        yield Num()


def changed(manifest, **changes):
    return json.dumps({**manifest.data, **changes})


def test_the_manifest_of_a_service():
    manifest = ContractManifest.from_service(Bazaar())
    assert (manifest.service, manifest.version, manifest.scoped) == ("Bazaar", 3, "shared")
    assert manifest.contract_id == Bazaar.__aster_service_info__.contract_id
    assert manifest.requires == {"kind": "all_of", "roles": ["a", "b"]}
    assert manifest.description == "What is on sale."
    find, watch = manifest.methods
    assert extract_method_descriptors(Bazaar) == [find, watch]
    assert (find["timeout"], find["idempotent"], find["request_style"], find["description"]) == (
        1.5, True, "inline", "Find one.",
    )  # fmt: skip
    assert [(one["name"], one["type"]) for one in find["inline_params"]] == [
        ("name", "string"),
        ("at_most", "varint64?"),
    ]
    assert (watch["pattern"], watch["request_wire_tag"]) == ("server_stream", "test/Text")
    assert list(manifest.data) == list(CONTRACT["manifests"][0]["manifest"])
    assert (manifest.semver, manifest.published_by, manifest.published_at_epoch_ms) == (None, "", 0)


def test_versions_and_publication_are_kept_and_are_not_identity():
    values = {"semver": "1.2.3", "vcs_url": "https://x/\u00fc", "published_by": "ab", "published_at_epoch_ms": 5}
    manifest = ContractManifest.from_service(Bazaar, **values)
    assert manifest.contract_id == ContractManifest.from_service(Bazaar).contract_id
    again = ContractManifest.from_json(manifest.to_json())
    assert again.to_json() == manifest.to_json()
    assert {key: getattr(again, key) for key in values} == values
    assert again != ContractManifest.from_service(Bazaar)
    for wrong in ({"semver": 1}, {"published_by": None}, {"published_at_epoch_ms": True}):
        with pytest.raises(TypeError, match=next(iter(wrong))):
            ContractManifest.from_service(Bazaar, **wrong)


def test_what_a_manifest_says_is_verified():
    manifest = ContractManifest.from_service(Bazaar)
    for changes in (
        {"contract_id": "0" * 64},
        {"version": 4},
        {"requires": None},
        {"scoped": "session"},
        {"canonical_encoding": "aster-contract/1"},
        {"v": 2},
        {"methods": manifest.methods[1:]},
        {"types": {tag: entry for tag, entry in manifest.types.items() if tag != "test/Item"}},
    ):
        with pytest.raises(TypeError):
            ContractManifest.from_json(changed(manifest, **changes))
    assert ContractManifest.from_json(changed(manifest, description="x", unknown=1)).description == "x"
    for text in ("", "[]", "{", '{"a":1,"a":2}', "null"):
        with pytest.raises(ValueError):
            ContractManifest.from_json(text)


@pytest.mark.parametrize("missing", ["types", "v"])
def test_legacy_manifests_are_read_unverified(missing):
    data = ContractManifest.from_service(Bazaar).data
    legacy = {key: value for key, value in data.items() if key != missing}
    manifest = ContractManifest.from_json(json.dumps(legacy))
    assert not manifest.verified
    assert manifest.data == legacy
    assert json.loads(manifest.to_json()) == legacy
    for use in (manifest.to_export, lambda: build_collection(manifest)):
        with pytest.raises(TypeError, match="legacy"):
            use()
    assert ContractManifest.from_json("{}").methods == []


def test_exports_hold_the_contract():
    manifest = ContractManifest.from_service(Bazaar, semver="1.0.0")
    exported = json.loads(manifest.to_export())
    assert list(exported) == [
        "aster_contract", "contract_id", "service", "version", "scoped", "serialization_modes", "producer_language",
        "requires", "methods", "types", "description", "tags", "deprecated",
    ]  # fmt: skip
    assert (exported["aster_contract"], exported["contract_id"]) == ("1", f"blake3:{manifest.contract_id}")
    for entry in exported["types"].values():
        names = [each["name"] for each in entry["fields"]]
        assert names == sorted(names)
    read = ContractManifest.from_json(json.dumps(exported))
    assert read.verified
    assert read.contract_id == manifest.contract_id
    assert [one["name"] for one in read.methods[0]["inline_params"]] == ["name", "at_most"]
    assert read.to_export() == manifest.to_export()
    for changes in ({"aster_contract": "2"}, {"contract_id": manifest.contract_id}, {"version": 9}, {"methods": 5}):
        with pytest.raises(TypeError):
            ContractManifest.from_json(json.dumps({**exported, **changes}))


def test_files_are_written_whole(tmp_path):
    manifest = ContractManifest.from_service(Bazaar)
    path = manifest.save(tmp_path / "new" / "manifest.json")
    assert path.read_bytes() == manifest.to_json().encode()
    (tmp_path / "plain").touch()
    assert path.stat().st_mode == (tmp_path / "plain").stat().st_mode
    ContractManifest.from_service(Echo).save(path)
    assert read_manifests(path) == [ContractManifest.from_service(Echo)]
    assert os.listdir(path.parent) == ["manifest.json"]
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="folder"):
        manifest.save(tmp_path / "folder")
    assert sorted(os.listdir(tmp_path)) == ["folder", "new", "plain"]


# -- the start check -----------------------------------------------------------------------------------------------


def write_manifest(*documents, path=".aster/manifest.json"):
    Path(path).parent.mkdir(exist_ok=True)
    Path(path).write_text(json.dumps(list(documents)), encoding="utf-8")
    return Path(path).resolve()


def test_the_check_of_services():
    assert verify_manifest_or_fatal(Bazaar) == []
    manifest, other = ContractManifest.from_service(Bazaar), ContractManifest.from_service(Echo)
    path = write_manifest(manifest.data, other.data)
    assert verify_manifest_or_fatal(Bazaar) == verify_manifest_or_fatal([Bazaar()], path) == [manifest]
    assert verify_manifest_or_fatal([Bazaar, Echo.__aster_service_info__]) == [manifest, other]

    @service("Bazaar", version=3)
    class Newer:
        @rpc
        async def find(self, request: Text) -> Item: ...

    with pytest.raises(FatalContractMismatch) as caught:
        verify_manifest_or_fatal([Echo, Newer])
    error = caught.value
    assert isinstance(error, RuntimeError)
    assert (error.service, error.version, error.path) == ("Bazaar", 3, path)
    assert (error.expected, error.actual) == (manifest.contract_id, contract_id_from_service(Newer))
    assert str(error).splitlines()[:4] == [
        "Contract identity mismatch for 'Bazaar' v3:",
        f"  Expected (manifest): {error.expected}",
        f"  Actual (live):       {error.actual}",
        f"  Manifest: {path}",
    ]
    assert "aster contract gen" in str(error)
    with pytest.raises(RuntimeError, match="^Failed to read manifest at "):
        verify_manifest_or_fatal(Bazaar, "absent.json")


@pytest.mark.parametrize(
    "broken",
    [
        {"service": "Absent", "version": 1},
        {"service": [], "version": 1, "contract_id": "0"},
        {"service": "Absent", "version": True, "contract_id": "0"},
        {"service": "Absent", "version": 1, "contract_id": None},
        {"service": "Absent"},
        7,
    ],
)
@asynchronous
async def test_a_manifest_that_says_nothing_stops_the_start(broken):
    path = write_manifest(broken)
    error = await raised(AsterServer([Echo()]).start())
    assert str(error).startswith(f"Failed to read manifest at {path}: "), error


@asynchronous
async def test_the_start_verifies_what_the_manifest_says():
    manifest = ContractManifest.from_service(Echo)
    path = write_manifest(manifest.data)
    async with AsterServer([Echo()]):
        pass
    # The id is that of the service, but not of what the manifest describes.
    write_manifest({**manifest.data, "methods": manifest.methods[:-1]})
    error = await raised(AsterServer([Echo()]).start())
    assert str(error).startswith(f"Failed to read manifest at {path}: "), error
    assert "its contract id is" in str(error)
    # The last of two entries does not hide the first one.
    write_manifest({**manifest.data, "contract_id": "f" * 64}, manifest.data)
    assert isinstance(await raised(AsterServer([Echo()]).start()), FatalContractMismatch)
    # Another version is another service.
    write_manifest({"service": "Echo", "version": 2, "contract_id": "f" * 64})
    async with AsterServer([Echo()]):
        pass
    path.write_text('[{"service":"Echo","service":"E","version":1,"contract_id":"0"}]', encoding="utf-8")
    assert "twice" in str(await raised(AsterServer([Echo()]).start()))


# -- collections ---------------------------------------------------------------------------------------------------


def test_the_files_of_a_contract():
    files = build_collection(Bazaar, published_by="me")
    manifest = ContractManifest.from_service(Bazaar, published_by="me")
    assert [name for name, _ in files] == [
        "contract.bin",
        *(f"types/{digest}.bin" for digest in manifest.type_hashes),
        "manifest.json",
    ]
    bodies = dict(files)
    assert compute_contract_id(bodies["contract.bin"]) == manifest.contract_id
    for digest in manifest.type_hashes:
        assert compute_type_hash(bodies[f"types/{digest}.bin"]).hex() == digest
    assert bodies["manifest.json"].decode() == manifest.to_json()
    assert build_collection(manifest) == files
    assert verify_collection(files[::-1]) == manifest
    with pytest.raises(TypeError, match="already"):
        build_collection(manifest, published_by="other")


@pytest.mark.parametrize("case", identified("services"))
def test_collections_of_the_vectors(case):
    from aster import _aster

    manifest = ContractManifest.from_json(_aster.manifest_of(json.dumps(case["description"])))
    files = dict(build_collection(manifest))
    assert files["contract.bin"].hex() == case["hex"]
    assert [name[6:-4] for name in files if name.startswith("types/")] == case["type_hashes"]


@asynchronous
async def test_contracts_travel_as_collections():
    async with served(Echo()) as (server, client):
        files = build_collection(Bazaar)
        kept = await upload_collection(server.blobs, files)
        manifest = ContractManifest.from_service(Bazaar)
        assert await fetch_from_collection(server.blobs, kept) == manifest
        assert isinstance(await raised(fetch_from_collection(client.blobs, kept)), BlobNotFound)
        assert await fetch_from_collection(client.blobs, kept, server.endpoint_id) == manifest
        names = dict(files)
        for wrong in (
            files[:-1],
            files[1:],
            [*files, ("more", b"")],
            [("contract.bin", names["contract.bin"] + b"\0"), *files[1:]],
            [*files[:-1], ("manifest.json", ContractManifest.from_service(Echo).to_json().encode())],
            [*files[:-1], ("manifest.json", b"\xff")],
            [*files[:-1], ("manifest.json", b'{"service":"Bazaar"}')],
        ):
            stored = await upload_collection(server.blobs, wrong)
            error = await raised(fetch_from_collection(client.blobs, stored, server.endpoint_id))
            assert type(error) is TypeError, error
