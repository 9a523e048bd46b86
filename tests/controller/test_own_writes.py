from __future__ import annotations

import pytest

from kubeprims.controller.own_writes import EXPECTATIONS_MAX, Expectation, OwnWrites
from kubeprims.meta import GroupVersionResource, ObjectKey
from kubeprims.objects.record import ObjectRecord

PODS = GroupVersionResource("", "v1", "pods")
KEY = ObjectKey("default/web")
CAUSE = ObjectKey("default/site")


def record(version: str, uid: str = "uid-1") -> ObjectRecord:
    return (str(KEY), uid, version, (), b"{}")


def wrote(version: str, *, uid: str = "uid-1", replaced: str = "", until_s: float = 5.0, key: str = KEY) -> Expectation:
    return Expectation(PODS, ObjectKey(key), version, uid, replaced, until_s)


@pytest.mark.parametrize(
    ("expectation", "shown", "reached", "is_met"),
    [
        # a version that can be ordered
        (wrote("20"), record("10"), "19", False),
        (wrote("20"), record("20"), "19", True),
        (wrote("20"), record("30"), "19", True),
        (wrote("20"), None, "19", False),  # created, and not come yet
        (wrote("20"), None, "20", True),  # it came, and has gone since
        (wrote("9"), record("8"), "10", True),
        # one that cannot
        (wrote("b", replaced="a"), record("a"), "a", False),
        (wrote("b", replaced="a"), record("b"), "a", True),
        (wrote("b", replaced="a"), record("c"), "a", True),
        (wrote("b", replaced="a"), None, "c", True),
        (wrote("b"), None, "a", False),
        # a deletion
        (wrote("", uid="uid-1"), record("10"), "10", False),
        (wrote("", uid="uid-1"), None, "10", True),
        (wrote("", uid="uid-1"), record("30", uid="uid-2"), "30", True),
        (wrote("", uid=""), record("30", uid="uid-2"), "30", False),
    ],
)
def test_a_cache_meets_an_expectation_once_it_shows_the_write_or_what_came_after(
    expectation: Expectation, shown: ObjectRecord | None, reached: str, *, is_met: bool
) -> None:
    assert expectation.is_met(shown, reached) is is_met


def test_writes_are_remembered_with_the_key_that_caused_them_the_last_of_each_object() -> None:
    writes = OwnWrites()
    writes.expect(CAUSE, wrote("10"))
    writes.expect(CAUSE, wrote("11", key="default/other"))
    writes.expect(CAUSE, wrote("12"))
    writes.expect(ObjectKey("default/another-site"), wrote("13"))
    assert [expectation.version for expectation in writes.pending(CAUSE)] == ["11", "12"]
    assert len(writes) == 3
    writes.forget(CAUSE)
    assert writes.pending(CAUSE) == ()
    assert len(writes) == 1


def test_what_is_met_or_overdue_is_forgotten_and_the_latter_is_told() -> None:
    writes = OwnWrites()
    met, waiting, overdue = (
        wrote("10", key="default/a", until_s=5.0),
        wrote("11", key="default/b", until_s=9.0),
        wrote("12", key="default/c", until_s=5.0),
    )
    for expectation in (met, waiting, overdue):
        writes.expect(CAUSE, expectation)
    assert writes.settle(CAUSE, lambda one: one is met, now_s=5.0) == (overdue,)
    assert writes.pending(CAUSE) == (waiting,)
    assert str(overdue) == "pods default/c at version 12"
    assert str(wrote("")) == "pods default/web to be gone"
    assert writes.settle(CAUSE, lambda _: True, now_s=5.0) == ()
    assert len(writes) == 0
    assert writes.settle(CAUSE, lambda _: True, now_s=5.0) == ()


def test_what_is_remembered_of_one_key_is_bounded() -> None:
    writes = OwnWrites()
    for number in range(EXPECTATIONS_MAX + 10):
        writes.expect(CAUSE, wrote("10", key=f"default/{number}"))
    assert len(writes) == EXPECTATIONS_MAX
    assert writes.pending(CAUSE)[0].key == "default/10"
