"""Options and fixtures: which backends, through the gateway or directly.

    pytest conformance                                # gateway over local and MinIO, the CI subset
    pytest conformance --backend garage --long        # gateway over Garage, the long matrix
    pytest conformance --direct --backend minio       # control: the same tests against MinIO itself
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest

from clients import Target, fresh
from servers import OPAQUE_BUCKET, Endpoint, Garage, Gateway, Minio, Server, expected_failures, gateway_binary
from stores import Rgw

STORES = {"minio": Minio, "garage": Garage, "rgw": Rgw}


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("conformance")
    group.addoption("--backend", action="append", choices=["local", *STORES], help="backend; may be given several times")
    group.addoption("--direct", action="store_true", help="talk to the object store itself: the control run")
    group.addoption("--long", action="store_true", help="the long matrix too")


def backends(config: pytest.Config) -> list[str]:
    direct = config.getoption("direct")
    chosen = config.getoption("backend") or (["minio"] if direct else ["local", "minio"])
    if direct and chosen != ["minio"]:
        raise pytest.UsageError("the control run is against MinIO: --direct goes with --backend minio only")
    return chosen


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "target" in metafunc.fixturenames:
        metafunc.parametrize("target", backends(metafunc.config), indirect=True, scope="session")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    direct, long, chosen = config.getoption("direct"), config.getoption("long"), backends(config)
    expected = expected_failures()
    entries = expected.get("expected", [])
    for entry in entries:
        if not entry.get("reason") or entry["outcome"] not in ("skip", "fail"):
            raise pytest.UsageError(f"expected.toml: {entry['test']} needs a reason, and an outcome of skip or fail")
    matched = set()
    selected, left_out = [], []
    for item in items:
        backend = item.callspec.params.get("target") if hasattr(item, "callspec") else None
        missing = expected["missing"].get(backend, {})
        for mark in item.iter_markers("needs"):
            if reason := missing.get(mark.args[0]):
                item.add_marker(pytest.mark.skip(reason=reason))
        for index, entry in enumerate(entries):
            if not fnmatch(item.nodeid, entry["test"]):
                continue
            matched.add(index)
            if backend not in entry.get("backends", [backend]):
                continue
            if ("direct" if direct else "gateway") not in entry.get("runs", ["direct", "gateway"]):
                continue
            mark = pytest.mark.skip if entry["outcome"] == "skip" else pytest.mark.xfail
            item.add_marker(mark(reason=entry["reason"]))
        if direct and item.get_closest_marker("vault"):
            item.add_marker(pytest.mark.xfail(reason="no vault here: a test that passes shows nothing"))
        wrong_run = direct and item.get_closest_marker("gateway")
        too_long = not long and item.get_closest_marker("long")
        (left_out if wrong_run or too_long else selected).append(item)
    whole_suite = not config.option.keyword and not any("::" in argument or ".py" in argument for argument in config.args)
    here = [index for index, entry in enumerate(entries) if set(entry.get("backends", chosen)) & set(chosen)]
    if whole_suite and (unused := [entries[index]["test"] for index in here if index not in matched]):
        raise pytest.UsageError(f"expected.toml names tests that do not exist: {unused}")
    config.hook.pytest_deselected(items=left_out)
    items[:] = selected


def pytest_report_header(config: pytest.Config) -> str:
    front = "directly" if config.getoption("direct") else f"through {gateway_binary()}"
    return f"conformance: {', '.join(backends(config))}, {front}"


@pytest.fixture(scope="session")
def scratch() -> Iterator[Path]:
    """A folder of this run, gone with it."""
    folder = Path(tempfile.mkdtemp(prefix="vault-conformance-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def target(request: pytest.FixtureRequest, scratch: Path) -> Iterator[Target]:
    """The servers of one backend, shared by the tests of a run."""
    backend = request.param
    folder = scratch / fresh(backend)  # A worker may come back to a backend: anew.
    store: Server | None = STORES[backend](folder / "store") if backend in STORES else None
    gateway = None
    try:
        if store is not None:
            store.start()
        if not request.config.getoption("direct"):
            gateway = Gateway(folder / "gateway", store.endpoint if store else None)
            gateway.start()
        made = Target(gateway.endpoint if gateway else store.endpoint, backend, gateway, store)
        yield made
        if gateway is not None:
            assert gateway.stop() == 0, f"the gateway did not end cleanly:\n{gateway.log_tail()}"
            gateway = None
    finally:
        for server in (gateway, store):
            if server is not None:
                server.kill()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def s3(target: Target):
    return target.s3


@pytest.fixture(scope="session")
def endpoint(target: Target) -> Endpoint:
    return target.endpoint


@pytest.fixture(scope="session")
def missing(target: Target) -> dict[str, str]:
    """What the backend itself lacks, and why."""
    return expected_failures()["missing"].get(target.backend, {})


@pytest.fixture
def bucket(target: Target) -> str:
    """A new bucket."""
    name = fresh("bucket")
    target.s3.create_bucket(Bucket=name)
    return name


@pytest.fixture
def versioned(target: Target, bucket: str) -> str:
    """A new bucket with versioning on."""
    target.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    return bucket


@pytest.fixture(scope="session")
def opaque_bucket(target: Target) -> str:
    """The bucket with `etag = "opaque"`."""
    target.s3.create_bucket(Bucket=OPAQUE_BUCKET)
    return OPAQUE_BUCKET


@pytest.fixture
def make_gateway(target: Target, tmp_path: Path) -> Iterator[Callable[..., Gateway]]:
    """Makes a started gateway of one test alone, to be stopped, killed or measured; over the run's object store, where there
    is one, with a system bucket of its own. Takes configuration as `{"section.key": "value"}`, and sections as TOML; `alone`: over another,
    empty object store of that kind."""
    made: list[Server] = []

    def make(overrides: dict[str, str] | None = None, alone: bool = False, more: str = "") -> Gateway:
        store = target.store
        if store is not None and alone:
            store = STORES[target.backend](tmp_path / f"store-{len(made)}")
            made.append(store)
            store.start()
        root = tmp_path / f"gateway-{len(made)}"
        gateway = Gateway(root, store.endpoint if store else None, fresh("own-system") if store else None, overrides, more=more)
        made.append(gateway)
        gateway.start()
        return gateway

    make.servers = made
    yield make
    for server in reversed(made):
        server.kill()
    shutil.rmtree(tmp_path, ignore_errors=True)


@pytest.fixture
def own_gateway(make_gateway: Callable[..., Gateway]) -> Gateway:
    """One such gateway, as configured by default."""
    return make_gateway()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo):
    """The ends of the servers' logs belong to a failure."""
    report = yield
    if report.failed:
        named = getattr(item, "funcargs", {})
        servers = list(getattr(named.get("make_gateway"), "servers", []))
        if isinstance(named.get("target"), Target):
            servers += [named["target"].gateway, named["target"].store]
        for server in servers:
            if server is not None and server.log.exists():
                report.sections.append((f"{server.name} log", server.log_tail()))
    return report
