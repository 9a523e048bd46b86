"""SharedInformerFactory: many informers, started and stopped as one, whatever becomes of each."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kubeprims.client.client import Client
from kubeprims.errors import StopTimeout
from kubeprims.informer.factory import SharedInformerFactory
from kubeprims.informer.handlers import Notification
from kubeprims.meta import JSONObject
from kubeprims.objects.unstructured import Unstructured
from kubeprims.testing import APIServer
from kubeprims.threads import Deadline, Latch, ThreadGroup
from kubeprims.transport.config import TransportConfig
from kubeprims.transport.transport import Transport
from tests.informer.test_shared import TIMEOUT_S

POD: JSONObject = {
    "metadata": {"name": "a", "namespace": "default"},
    "spec": {"containers": [{"name": "c", "image": "i"}]},
}


@pytest.fixture
def informers() -> Iterator[SharedInformerFactory]:
    with (
        APIServer() as server,
        Transport(TransportConfig(server=server.url)) as transport,
        Client(transport) as client,
    ):
        server.create("v1/pods", POD, namespace="default")
        yield SharedInformerFactory(client)


def test_an_informer_that_died_keeps_no_other_from_being_stopped(informers: SharedInformerFactory) -> None:
    dies, lives = informers.informer("v1/pods"), informers.informer("v1/configmaps")

    def die(notification: Notification) -> None:
        raise SystemExit(f"on {notification.key}")

    registration = dies.add_event_handler(on_event=die)
    informers.start()
    assert registration.wait_until_ended(TIMEOUT_S)
    with pytest.raises(SystemExit, match="on default/a"):
        informers.stop(TIMEOUT_S)
    assert lives.is_stopped


def test_a_handler_that_does_not_return_is_the_only_one_that_stop_names(informers: SharedInformerFactory) -> None:
    entered, release = Latch(), Latch()

    def hold(obj: Unstructured) -> None:
        entered.set()
        release.wait(TIMEOUT_S)

    informers.informer("v1/pods").add_event_handler(on_add=hold, name="stuck")
    for resource in ("v1/configmaps", "v1/secrets", "v1/services"):
        informers.informer(resource)
    informers.start()
    informers.wait_for_cache_sync(TIMEOUT_S)
    assert entered.wait(TIMEOUT_S)
    with pytest.raises(StopTimeout) as raised:
        informers.stop(0.5)
    release.set()
    assert raised.value.running == ("informer v1/pods: stuck",)
    informers.stop(TIMEOUT_S)


def test_an_informer_that_was_started_or_stopped_by_hand_keeps_no_other_from_starting(
    informers: SharedInformerFactory,
) -> None:
    with informers:
        started, stopped = informers.informer("v1/pods"), informers.informer("v1/configmaps")
        started.start()
        stopped.stop()
        other = informers.informer("v1/secrets")
        informers.start()
        other.wait_for_sync(TIMEOUT_S)
        started.wait_for_sync(TIMEOUT_S)


def test_an_index_function_may_ask_the_factory_for_another_informer(informers: SharedInformerFactory) -> None:
    def of_other(obj: Unstructured) -> list[str]:
        return informers.informer("v1/configmaps").indexer.index_names

    group = ThreadGroup("asker")
    with informers:
        informers.informer("v1/pods")
        informers.start()
        informers.wait_for_cache_sync(TIMEOUT_S)
        group.spawn(lambda: ask(informers, of_other), name="ask")
        assert group.join(Deadline.after(TIMEOUT_S / 2)) == ()
        assert informers.informer("v1/pods").indexer.index_keys("other", "namespace") == ["default/a"]


def ask(informers: SharedInformerFactory, function: object) -> None:
    informers.informer("v1/pods", indexers={"other": function})  # type: ignore[dict-item]
