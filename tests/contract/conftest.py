"""The two backends, and the exchange that a test scripts."""

from __future__ import annotations

import os
import pathlib
import signal
from collections.abc import Generator, Iterator

import pytest

from kubeprims.testing import APIServer
from tests.contract.backends import Backend, EmbeddedBackend, RealBackend
from tests.contract.exchange import Exchange, exchange_name
from tests.real.cluster import RealCluster, default_assets, find_assets

_IS_RECORDING = bool(os.environ.get("KUBEPRIMS_RECORD_CONTRACT"))
_TIMEOUT_S = 180  # the first test starts the cluster


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("real") is not None and find_assets() is None:
        pytest.skip(
            "no real API server: KUBEBUILDER_ASSETS is not set and "
            f"{default_assets()} has no etcd and kube-apiserver (tests/real/build.sh builds them)"
        )


@pytest.fixture(scope="session")
def embedded_backend() -> Iterator[EmbeddedBackend]:
    """The embedded server of the session."""
    with APIServer() as server:
        yield EmbeddedBackend(server)


@pytest.fixture(scope="session")
def real_backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealBackend]:
    """The real one; a test that asks for it by itself is to be marked ``real``."""
    assets = find_assets()
    assert assets is not None
    # A terminated run has its fixtures torn down, so that no process outlives it.
    before = signal.signal(signal.SIGTERM, lambda *_: pytest.exit("terminated", returncode=128 + signal.SIGTERM))
    cluster = RealCluster(tmp_path_factory.mktemp("contract"), assets)
    try:
        cluster.start()
        yield RealBackend(cluster)
    finally:
        cluster.stop()
        signal.signal(signal.SIGTERM, before)


@pytest.fixture(
    scope="session",  # as the servers are: what they hold open is older than any test
    params=["embedded", pytest.param("real", marks=[pytest.mark.real, pytest.mark.timeout(_TIMEOUT_S)])],
)
def backend(request: pytest.FixtureRequest) -> Backend:
    """A server under the contract: the embedded one, then a real one. Its objects stay."""
    if _IS_RECORDING and request.param != "real":
        pytest.skip("recordings are of the real server")
    found = request.getfixturevalue(f"{request.param}_backend")
    assert isinstance(found, Backend)
    return found


@pytest.fixture
def exchange(backend: Backend, request: pytest.FixtureRequest) -> Iterator[Exchange]:
    """The requests of this test; what is answered is compared when the test has ended."""
    with Exchange(backend, exchange_name(request.function), is_recording=_IS_RECORDING) as script:
        yield script


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    script = pyfuncitem.funcargs.get("exchange")
    try:
        result = yield
    except Exception:
        # What was different before is why a script could not go on.
        if isinstance(script, Exchange):
            script.raise_differences()
        raise
    if isinstance(script, Exchange):
        script.finish()
    return result


def pytest_report_header() -> list[str]:
    return [f"contract: recording into {pathlib.Path(__file__).parent / 'recorded'}"] if _IS_RECORDING else []
