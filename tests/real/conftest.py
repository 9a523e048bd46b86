"""The clusters that the tests of this folder share."""

from __future__ import annotations

import pathlib
import signal
from collections.abc import Iterator

import pytest

from tests.real.cluster import RealCluster, default_assets, find_assets

_HERE = pathlib.Path(__file__).parent
_CLUSTERS = {"real_cluster", "second_cluster", "sharded_cluster", "coordinated_cluster"}
_TIMEOUT_S = 240  # the first one starts the cluster, and most of them restart it


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if _HERE in item.path.parents and _CLUSTERS & set(getattr(item, "fixturenames", ())):
            item.add_marker("real")
            item.add_marker(pytest.mark.timeout(_TIMEOUT_S))


def pytest_runtest_setup(item: pytest.Item) -> None:
    # Here rather than in a fixture: the summary folds skips from one place into one line.
    if item.get_closest_marker("real") is not None and find_assets() is None:
        pytest.skip(
            "no real API server: KUBEBUILDER_ASSETS is not set and "
            f"{default_assets()} has no etcd and kube-apiserver (tests/real/build.sh builds them)"
        )


@pytest.fixture(scope="session")
def assets() -> pathlib.Path:
    """The folder with the binaries."""
    folder = find_assets()
    assert folder is not None
    return folder


@pytest.fixture(scope="session")
def orderly_end() -> Iterator[None]:
    """Have a terminated run tear its fixtures down, so that no process outlives it."""
    before = signal.signal(signal.SIGTERM, lambda *_: pytest.exit("terminated", returncode=128 + signal.SIGTERM))
    yield
    signal.signal(signal.SIGTERM, before)


def _run(folder: pathlib.Path, assets: pathlib.Path, *api_flags: str) -> Iterator[RealCluster]:
    cluster = RealCluster(folder, assets, api_flags=api_flags)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture(scope="session")
def first_of_session(
    assets: pathlib.Path, orderly_end: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RealCluster]:
    yield from _run(tmp_path_factory.mktemp("real"), assets)


@pytest.fixture(scope="session")
def second_of_session(
    assets: pathlib.Path, orderly_end: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RealCluster]:
    yield from _run(tmp_path_factory.mktemp("real-second"), assets)


@pytest.fixture(scope="session")
def sharded_of_session(
    assets: pathlib.Path, orderly_end: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RealCluster]:
    folder = tmp_path_factory.mktemp("real-sharded")
    yield from _run(folder, assets, "--feature-gates=ShardedListAndWatch=true")


@pytest.fixture(scope="session")
def coordinated_of_session(
    assets: pathlib.Path, orderly_end: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RealCluster]:
    folder = tmp_path_factory.mktemp("real-coordinated")
    gate = "--feature-gates=CoordinatedLeaderElection=true"
    yield from _run(folder, assets, gate, "--runtime-config=coordination.k8s.io/v1beta1=true")


def _mended(cluster: RealCluster) -> Iterator[RealCluster]:
    yield cluster
    cluster.resume()
    cluster.start()


@pytest.fixture
def real_cluster(first_of_session: RealCluster) -> Iterator[RealCluster]:
    """The cluster of the session, running; whatever a test breaks is mended behind it. Its objects stay."""
    yield from _mended(first_of_session)


@pytest.fixture
def second_cluster(second_of_session: RealCluster) -> Iterator[RealCluster]:
    """Another one beside it, with keys, data and ports of its own."""
    yield from _mended(second_of_session)


@pytest.fixture
def sharded_cluster(sharded_of_session: RealCluster) -> Iterator[RealCluster]:
    """One whose server shards lists and watches, which is off by default."""
    yield from _mended(sharded_of_session)


@pytest.fixture
def coordinated_cluster(coordinated_of_session: RealCluster) -> Iterator[RealCluster]:
    """One whose server picks leaders, which is off by default."""
    yield from _mended(coordinated_of_session)
