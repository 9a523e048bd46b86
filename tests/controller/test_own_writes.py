from __future__ import annotations

import pytest

from kubeprims.controller.own_writes import CAUSES_MAX, EXPECTATIONS_MAX, GIVEN_UP_AFTER_S, Expectation, OwnWrites
from kubeprims.meta import GroupVersionResource, ObjectKey
from kubeprims.objects.record import ObjectRecord

PODS = GroupVersionResource("", "v1", "pods")
KEY = ObjectKey("default/web")
CAUSE = ObjectKey("default/site")


def record(version: str, uid: str = "uid-1") -> ObjectRecord:
    return (str(KEY), uid, version, (), b"{}")


def wrote(
    version: str,
    *,
    uid: str = "uid-1",
    replaced: str = "",
    made_at_s: float = 0.0,
    key: str = KEY,
    is_gone: bool = False,
    may_go_on: bool = False,
) -> Expectation:
    return Expectation(0, PODS, ObjectKey(key), version, uid, is_gone, may_go_on, replaced, made_at_s)


def deleted(version: str = "", *, uid: str = "uid-1") -> Expectation:
    return wrote(version, uid=uid, is_gone=True)


def deleted_among_others(version: str) -> Expectation:
    return wrote(version, is_gone=True, may_go_on=True)


@pytest.mark.parametrize(
    ("expectation", "shown", "is_reached", "is_met"),
    [
        # a version that can be ordered
        (wrote("20"), record("10"), False, False),
        (wrote("20"), record("20"), False, True),
        (wrote("20"), record("30"), False, True),
        (wrote("20"), None, False, False),  # created, and not come yet
        (wrote("20"), None, True, True),  # it came, and has gone since
        (wrote("9"), record("10"), False, True),
        # one that cannot
        (wrote("b", replaced="a"), record("a"), False, False),
        (wrote("b", replaced="a"), record("b"), False, True),
        (wrote("b", replaced="a"), record("c"), False, True),
        (wrote("b", replaced="a"), None, False, True),
        (wrote("b"), None, False, False),
        (wrote("b", replaced="b"), record("b"), False, True),  # the cache was faster than the answer
        # a deletion
        (deleted(), record("10"), False, False),
        (deleted(), None, False, True),
        (deleted(), record("30", uid="uid-2"), False, True),
        (deleted(uid=""), record("30", uid="uid-2"), False, False),
        (deleted("20"), None, False, False),  # created and deleted at once: neither has come yet
        (deleted("20"), None, True, True),
        (deleted("20"), record("20"), True, False),  # created, and not gone yet
        (deleted("b"), None, False, True),
        # one of which it is not known whether the object goes on for a while
        (deleted_among_others("20"), record("20"), True, False),
        (deleted_among_others("20"), record("21"), False, True),
        (deleted_among_others("20"), None, False, False),
        (deleted_among_others("20"), None, True, True),
        (deleted_among_others("b"), record("b"), False, False),
        (deleted_among_others("b"), record("c"), False, True),
    ],
)
def test_a_cache_meets_an_expectation_once_it_shows_the_write_or_what_came_after(
    expectation: Expectation, shown: ObjectRecord | None, *, is_reached: bool, is_met: bool
) -> None:
    assert expectation.is_met(shown, is_reached=is_reached) is is_met


def test_writes_are_remembered_with_the_key_that_caused_them_the_last_of_each_object() -> None:
    writes = OwnWrites()
    writes.expect(CAUSE, wrote("10"))
    writes.expect(CAUSE, wrote("11", key="default/other"))
    writes.expect(CAUSE, wrote("12"))
    writes.expect(ObjectKey("default/another-site"), wrote("13"))
    assert [expectation.version for expectation in writes.pending(CAUSE)] == ["11", "12"]
    assert len(writes) == 3


def test_a_deletion_without_a_version_waits_for_what_was_written_before_it() -> None:
    writes = OwnWrites()
    writes.expect(CAUSE, wrote("10"))
    writes.expect(CAUSE, deleted())
    assert writes.pending(CAUSE) == (deleted("10"),)


def test_what_is_met_or_too_old_is_forgotten_and_what_is_left_is_told() -> None:
    writes = OwnWrites()
    met, waiting, old = (
        wrote("10", key="default/a", made_at_s=1.0),
        wrote("11", key="default/b", made_at_s=1.0),
        wrote("12", key="default/c", made_at_s=0.0),
    )
    for expectation in (met, waiting, old):
        writes.expect(CAUSE, expectation)
    assert writes.settle(CAUSE, lambda one: one is met, now_s=GIVEN_UP_AFTER_S) == (waiting,)
    assert writes.pending(CAUSE) == (waiting,)
    assert str(old) == "pods default/c at version 12"
    assert str(deleted()) == "pods default/web to be gone"
    assert writes.settle(CAUSE, lambda _: True, now_s=5.0) == ()
    assert len(writes) == 0
    assert writes.settle(CAUSE, lambda _: True, now_s=5.0) == ()


def test_what_is_remembered_of_one_key_is_bounded() -> None:
    writes = OwnWrites()
    for number in range(EXPECTATIONS_MAX + 10):
        writes.expect(CAUSE, wrote("10", key=f"default/{number}"))
    assert len(writes) == EXPECTATIONS_MAX
    assert writes.pending(CAUSE)[0].key == "default/10"


def test_what_is_remembered_of_all_keys_is_bounded_and_those_that_wrote_last_are_kept() -> None:
    writes = OwnWrites()
    for number in range(CAUSES_MAX):
        writes.expect(ObjectKey(f"default/{number}"), wrote("10"))
    writes.expect(ObjectKey("default/0"), wrote("11"))
    writes.expect(CAUSE, wrote("12"))
    assert len(writes) == CAUSES_MAX
    assert writes.pending(ObjectKey("default/1")) == ()
    assert [one.version for one in writes.pending(ObjectKey("default/0"))] == ["11"]
