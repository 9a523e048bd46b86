"""How a record is read from an object, and written into one."""

from __future__ import annotations

import copy
import datetime
import json
import pathlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubeprims.leaderelection.lock_kinds import ConfigMapKind, EndpointsKind, LeaseKind, LockKind
from kubeprims.leaderelection.record import LEADER_ANNOTATION, LeaderElectionRecord
from kubeprims.meta import JSONObject, JSONValue
from tests.leaderelection.locking import a_record
from tests.parity import case

KINDS = [LeaseKind(), ConfigMapKind(), EndpointsKind()]
ANNOTATED = [ConfigMapKind(), EndpointsKind()]

GOLDEN_FILES = pathlib.Path(__file__).with_name("golden")

TEXT = (
    '{"holderIdentity":"web-0_8f2c","leaseDurationSeconds":15,"acquireTime":"2026-07-24T07:08:07Z",'
    '"renewTime":"2026-07-24T07:08:09Z","leaderTransitions":3}'
)
GOLDEN: dict[str, JSONObject] = {
    "Lease": {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": "web", "namespace": "prod", "labels": {"app": "web"}},
        "spec": {
            "holderIdentity": "web-0_8f2c",
            "leaseDurationSeconds": 15,
            "acquireTime": "2026-07-24T07:08:07.123456Z",
            "renewTime": "2026-07-24T07:08:09.123456Z",
            "leaseTransitions": 3,
        },
    },
    "ConfigMap": {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": "web",
            "namespace": "prod",
            "annotations": {LEADER_ANNOTATION: TEXT},
            "labels": {"app": "web"},
        },
    },
    "Endpoints": {
        "apiVersion": "v1",
        "kind": "Endpoints",
        "metadata": {
            "name": "web",
            "namespace": "prod",
            "annotations": {LEADER_ANNOTATION: TEXT},
            "labels": {"app": "web"},
        },
    },
}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
def test_a_new_object_is_what_client_go_makes_byte_for_byte(kind: LockKind) -> None:
    made = kind.created("prod", "web", a_record(after_s=2, transitions=3), {"app": "web"})
    assert json.dumps(made) == json.dumps(GOLDEN[kind.kind])


@pytest.mark.parametrize("release", ["0.23", "0.27", "0.37"])
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
def test_what_client_go_wrote_is_written_back_as_it_was(kind: LockKind, release: str) -> None:
    """The golden files hold what client-go's own encoder wrote; see golden/write.go."""
    for row in json.loads((GOLDEN_FILES / f"client-go-{release}.json").read_text()):
        existing: JSONObject = {
            "metadata": {"annotations": {LEADER_ANNOTATION: row["Annotation"], "note": "kept"}},
            "spec": json.loads(row["LeaseSpec"]),
        }
        record = kind.observe(existing).record
        assert record is not None
        changed = kind.changed(copy.deepcopy(existing), record, {})
        if release == "0.37" and not isinstance(kind, LeaseKind):
            # Only today's client-go writes empty fields of coordinated elections; it reads what lacks them as well.
            assert kind.observe(changed).record == record
        else:
            assert changed == existing


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
def test_an_object_without_a_record_is_held_by_nobody(kind: LockKind) -> None:
    odd: list[JSONObject] = [{}, {"spec": None, "metadata": None}, {"spec": [], "metadata": {"annotations": 7}}]
    for content in odd:
        assert kind.observe(content).record == LeaderElectionRecord()


@case("LE-A26")
@pytest.mark.parametrize("duration", [0, 2_000_000_000, -7, "17", 1e300, None, [], {}])
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
def test_absurd_durations_are_read_all_the_same(kind: LockKind, duration: JSONValue) -> None:
    fields: JSONObject = {"holderIdentity": "old-python", "leaseDurationSeconds": duration}
    content: JSONObject = {"spec": fields, "metadata": {"annotations": {LEADER_ANNOTATION: json.dumps(fields)}}}
    record = kind.observe(content).record
    assert record is not None
    assert record.holder_identity == "old-python"
    assert isinstance(record.lease_duration_s, int)


UNREADABLE: dict[str, JSONValue] = {
    "empty": "",
    "garbage": "web-0 leads",
    "truncated": TEXT[:-1],
    "array": "[1, 2]",
    "300 KB": '{"holderIdentity":"' + "x" * 300_000 + '"}',
    "deep": "[" * 3000,
    "no text": 7,
}


@case("LE-A27")
@pytest.mark.parametrize("text", UNREADABLE.values(), ids=UNREADABLE.keys())
@pytest.mark.parametrize("kind", ANNOTATED, ids=lambda kind: kind.kind)
def test_what_is_no_record_is_an_unreadable_lock_with_a_short_version(kind: LockKind, text: JSONValue) -> None:
    content: JSONObject = {"metadata": {"annotations": {LEADER_ANNOTATION: text}}}
    observation = kind.observe(content)
    assert observation.record is None
    assert observation == kind.observe(copy.deepcopy(content))
    assert len(observation.version) < 100
    other: JSONObject = {"metadata": {"annotations": {LEADER_ANNOTATION: f"{text}!"}}}
    assert kind.observe(other).version != observation.version, "that it changes can be seen"
    assert kind.observe({}).version != observation.version


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
def test_the_version_tells_renewals_apart_and_nothing_else(kind: LockKind) -> None:
    content = kind.created("prod", "web", a_record(), {})
    version = kind.observe(content).version
    assert kind.observe(kind.changed(copy.deepcopy(content), a_record(), {"x": "y"})).version == version
    renewed = kind.changed(copy.deepcopy(content), a_record(after_s=1), {})
    assert kind.observe(renewed).version != version


def test_a_lease_tells_two_renewals_in_one_second_apart() -> None:
    kind = LeaseKind()
    first, second = (kind.created("prod", "web", a_record(after_s=after_s), {}) for after_s in (0.1, 0.2))
    assert kind.observe(first).version != kind.observe(second).version


def test_a_renewal_whose_time_cannot_be_read_is_one_all_the_same() -> None:
    kind = LeaseKind()
    versions = {kind.observe({"spec": {"holderIdentity": "x", "renewTime": text}}).version for text in ("?", "??")}
    assert len(versions) == 2


# -- for any object and any record ------------------------------------------------------------------------------------

NAMES = st.text(st.characters(codec="utf-8"), max_size=8)
SCALARS = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | NAMES
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3))
TEXTS = st.dictionaries(NAMES, NAMES, max_size=3)
RECORD_FIELDS = {
    "holderIdentity",
    "leaseDurationSeconds",
    "acquireTime",
    "renewTime",
    "leaseTransitions",
    "strategy",
    "preferredHolder",
}
OBJECTS = st.fixed_dictionaries(
    {
        "metadata": st.fixed_dictionaries(
            {"name": NAMES},
            optional={
                "annotations": st.none() | TEXTS,
                "labels": st.none() | TEXTS,
                "ownerReferences": st.lists(TEXTS, max_size=2),
                "finalizers": st.lists(NAMES, max_size=2),
                "resourceVersion": NAMES,
                "uid": NAMES,
            },
        ),
    },
    optional={
        "data": TEXTS,
        "binaryData": TEXTS,
        "subsets": st.lists(VALUES, max_size=2),
        "spec": st.none() | st.dictionaries(NAMES | st.sampled_from(sorted(RECORD_FIELDS)), VALUES, max_size=4),
        "more": VALUES,
    },
)
TIMES = st.none() | st.datetimes(
    datetime.datetime(1970, 1, 2),  # noqa: DTZ001 - hypothesis adds the zone
    timezones=st.just(datetime.timezone.utc),
).map(lambda time: time.replace(microsecond=0))
RECORDS = st.builds(
    LeaderElectionRecord,
    holder_identity=NAMES,
    lease_duration_s=st.integers(0, 2**31 - 1),
    acquire_time=TIMES,
    renew_time=TIMES,
    leader_transitions=st.integers(0, 2**31 - 1),
    strategy=NAMES,
    preferred_holder=NAMES,
)


def rest(content: JSONObject, kind: LockKind, labels: dict[str, str]) -> JSONObject:
    """Return an object without its record and without some labels; what is empty counts as not there."""
    left = copy.deepcopy(content)
    metadata = left["metadata"]
    assert isinstance(metadata, dict)
    removed = {"labels": set(labels)}
    if not isinstance(kind, LeaseKind):
        removed["annotations"] = {LEADER_ANNOTATION}
    for name, keys in removed.items():
        inner = metadata.pop(name, None) or {}
        assert isinstance(inner, dict)
        metadata[name] = {key: value for key, value in inner.items() if key not in keys}
    if isinstance(kind, LeaseKind):
        spec = left.pop("spec", None) or {}
        assert isinstance(spec, dict)
        left["spec"] = {key: value for key, value in spec.items() if key not in RECORD_FIELDS}
    return left


@case("LE-REC9")
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
@given(existing=OBJECTS, record=RECORDS, labels=TEXTS)
def test_an_update_changes_the_record_and_the_labels_asked_for_and_nothing_else(
    kind: LockKind, existing: JSONObject, record: LeaderElectionRecord, labels: dict[str, str]
) -> None:
    changed = kind.changed(copy.deepcopy(existing), record, labels)
    assert kind.observe(changed).record == record
    metadata = changed["metadata"]
    assert isinstance(metadata, dict)
    assert labels.items() <= dict(metadata.get("labels") or {}).items()  # type: ignore[arg-type]
    assert rest(changed, kind, labels) == rest(existing, kind, labels)
