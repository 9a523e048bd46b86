"""Namespaces as an informer of them knows them."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from kubeprims.errors import LifecycleError
from kubeprims.informer.lease import InformerLease
from kubeprims.informer.selected_namespaces import SelectedNamespaces
from kubeprims.informer.shared import SharedInformer
from kubeprims.testing.clock import VirtualClock
from kubeprims.testing.list_watch import FakeListerWatcher
from tests.informer.test_shared import LISTING, TIMEOUT_S
from tests.waiting import eventually


class Office:
    """An informer of namespaces with one lease on it."""

    def __init__(self) -> None:
        self.source = FakeListerWatcher()
        self.informer = SharedInformer(
            self.source, name="v1/namespaces", options=LISTING, clock=VirtualClock(), rng=random.Random(1)
        )
        self.changes = 0
        self.subject = SelectedNamespaces(lambda: InformerLease(self.informer, lambda: True))

    def changed(self) -> None:
        self.changes += 1

    @property
    def names(self) -> list[str] | None:
        names = self.subject.names()
        return None if names is None else sorted(names)


@pytest.fixture
def office() -> Iterator[Office]:
    made = Office()
    yield made
    made.informer.stop()


def test_they_are_not_known_before_the_first_list_and_then_followed(office: Office) -> None:
    office.source.put("a", namespace="")
    assert (office.names, office.subject.status) == (None, None)
    office.subject.follow(office.changed)
    eventually(lambda: office.names == ["a"], TIMEOUT_S, "the first list")
    eventually(lambda: office.changes, TIMEOUT_S, "the follower was told")
    before = office.changes
    office.source.put("b", namespace="")
    eventually(lambda: office.names == ["a", "b"], TIMEOUT_S, "another one")
    eventually(lambda: office.changes > before, TIMEOUT_S, "the follower was told")
    office.source.delete("a", namespace="")
    eventually(lambda: office.names == ["b"], TIMEOUT_S, "one is gone")
    assert office.subject.status is office.informer.status


def test_that_there_are_none_is_told_as_well(office: Office) -> None:
    office.subject.follow(office.changed)
    eventually(lambda: office.changes, TIMEOUT_S, "the follower was told")
    assert office.names == []


def test_closing_gives_the_lease_back(office: Office) -> None:
    office.subject.follow(office.changed)
    office.subject.close()
    assert office.informer.is_stopped


def test_an_informer_that_runs_already_or_is_stopped_is_taken_as_it_is(office: Office) -> None:
    office.informer.start()
    office.subject.follow(office.changed)
    eventually(lambda: office.names == [], TIMEOUT_S, "the first list")
    office.subject.close()
    office.subject.follow(office.changed)
    office.subject.close()


def test_without_an_informer_of_them_nothing_is_known() -> None:
    def refuse() -> InformerLease:
        raise LifecycleError("the factory has stopped")

    subject = SelectedNamespaces(refuse)
    subject.follow(lambda: None)
    assert (subject.names(), subject.status) == (None, None)
    subject.close()


def test_of_an_informer_that_was_stopped_before_nothing_is_known() -> None:
    office = Office()
    office.informer.stop()
    office.subject.follow(office.changed)
    assert office.names is None
    office.subject.close()
