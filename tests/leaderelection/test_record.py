"""Records on the wire: byte for byte as client-go writes them, and lenient about what others write."""

from __future__ import annotations

import datetime
import json
import pathlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubeprims.errors import DecodeError
from kubeprims.leaderelection.record import (
    ANNOTATION_CHARS_MAX,
    LeaderElectionRecord,
    annotation_text,
    lease_spec,
    record_from_annotation,
    record_from_lease_spec,
)
from tests.parity import case

GOLDEN = pathlib.Path(__file__).parent / "golden"
UTC = datetime.timezone.utc
SUMMER = datetime.timezone(datetime.timedelta(hours=2))

ACQUIRED = datetime.datetime(2026, 7, 24, 9, 8, 7, 123456, tzinfo=SUMMER)
RENEWED = datetime.datetime(2026, 7, 24, 9, 8, 9, tzinfo=UTC)
PLAIN = LeaderElectionRecord(
    holder_identity="web-0_8f2c",
    lease_duration_s=15,
    acquire_time=ACQUIRED,
    renew_time=RENEWED,
    leader_transitions=3,
)
RECORDS = {
    "plain": PLAIN,
    "odd": LeaderElectionRecord(
        holder_identity='<a&b> \u2028 "é" \\ 名',
        lease_duration_s=15,
        acquire_time=ACQUIRED,
        renew_time=RENEWED,
        leader_transitions=3,
    ),
    "released": LeaderElectionRecord(
        lease_duration_s=1, acquire_time=RENEWED, renew_time=RENEWED, leader_transitions=4
    ),
    "zero": LeaderElectionRecord(),
}
COORDINATED = LeaderElectionRecord(
    holder_identity="web-0_8f2c",
    lease_duration_s=15,
    acquire_time=ACQUIRED,
    renew_time=RENEWED,
    leader_transitions=3,
    strategy="OldestEmulationVersion",
    preferred_holder="web-1_77aa",
)


def golden(release: str) -> dict[str, dict[str, str]]:
    return {entry["Name"]: entry for entry in json.loads((GOLDEN / f"client-go-{release}.json").read_text("utf-8"))}


def cut(record: LeaderElectionRecord) -> LeaderElectionRecord:
    """Return what a ConfigMap can hold of a record: whole seconds."""
    return record_from_annotation(annotation_text(record))


@case("LE-A44", "LE-REC5", "LE-REC7")
@pytest.mark.parametrize("release", ["0.23", "0.27"])
@pytest.mark.parametrize("name", RECORDS)
def test_annotations_are_written_byte_for_byte_as_client_go_writes_them(release: str, name: str) -> None:
    assert annotation_text(RECORDS[name]) == golden(release)[name]["Annotation"]


@case("LE-A44", "LE-REC4", "LE-REC5", "LE-REC6")
@pytest.mark.parametrize("release", ["0.23", "0.27", "0.37"])
@pytest.mark.parametrize("name", RECORDS)
def test_leases_are_written_as_client_go_writes_them(release: str, name: str) -> None:
    assert lease_spec(RECORDS[name]) == json.loads(golden(release)[name]["LeaseSpec"])


@case("LE-A44")
@pytest.mark.parametrize("release", ["0.23", "0.27", "0.37"])
@pytest.mark.parametrize("name", RECORDS)
def test_what_client_go_writes_is_read(release: str, name: str) -> None:
    entry = golden(release)[name]
    assert record_from_annotation(entry["Annotation"]) == cut(RECORDS[name])
    assert record_from_lease_spec(json.loads(entry["LeaseSpec"])) == RECORDS[name]


@case("LE-REC2", "LE-A44")
def test_strategy_and_preferred_holder_are_kept_as_todays_client_go_has_them() -> None:
    entry = golden("0.37")["coordinated"]
    assert lease_spec(COORDINATED) == json.loads(entry["LeaseSpec"])
    assert record_from_lease_spec(lease_spec(COORDINATED)) == COORDINATED
    assert record_from_annotation(entry["Annotation"]) == cut(COORDINATED)
    assert annotation_text(COORDINATED) == entry["Annotation"]


TIMES = st.integers(0, 10**17).map(
    lambda microseconds: datetime.datetime(1, 1, 2, tzinfo=UTC) + datetime.timedelta(microseconds=microseconds)
)
ANY_RECORD = st.builds(
    LeaderElectionRecord,
    holder_identity=st.text(st.characters(exclude_categories=["Cs"])),
    lease_duration_s=st.integers(-(2**31) + 1, 2**31 - 1),
    acquire_time=st.none() | TIMES,
    renew_time=st.none() | TIMES,
    leader_transitions=st.integers(0, 2**31 - 1),
    strategy=st.text(max_size=20),
    preferred_holder=st.text(max_size=20),
)


@case("LE-REC1", "LE-REC2")
@given(ANY_RECORD)
def test_a_lease_loses_nothing_of_a_record(record: LeaderElectionRecord) -> None:
    spec = lease_spec(record)
    assert record_from_lease_spec(spec) == record
    assert lease_spec(record_from_lease_spec(spec)) == spec


@given(ANY_RECORD)
def test_an_annotation_loses_nothing_but_fractions_of_seconds(record: LeaderElectionRecord) -> None:
    text = annotation_text(record)
    if len(text) <= ANNOTATION_CHARS_MAX:
        assert annotation_text(record_from_annotation(text)) == text


@case("LE-REC3")
def test_a_lease_without_any_field_reads_as_nothing() -> None:
    assert record_from_lease_spec({}) == LeaderElectionRecord()


@case("LE-REC8")
def test_unknown_keys_of_an_annotation_are_ignored() -> None:
    text = '{"holderIdentity":"you","leaseDurationSeconds":3,"leaderTransitions":1,"later":{"x":[1]}}'
    expected = LeaderElectionRecord(holder_identity="you", lease_duration_s=3, leader_transitions=1)
    assert record_from_annotation(text) == expected


@case("LE-REC10")
def test_an_empty_preferred_holder_is_left_out_and_so_is_one_that_was_there() -> None:
    assert "preferredHolder" not in lease_spec(PLAIN, {"preferredHolder": "you", "strategy": "S"})
    assert "preferredHolder" not in annotation_text(PLAIN)


def test_what_else_a_spec_has_is_kept() -> None:
    assert lease_spec(PLAIN, {"later": {"x": 1}})["later"] == {"x": 1}


@case("LE-REC11")
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-07-24T09:08:07.123456789Z", datetime.datetime(2026, 7, 24, 9, 8, 7, 123456, tzinfo=UTC)),
        ("2026-07-24T11:08:07.5+02:00", datetime.datetime(2026, 7, 24, 9, 8, 7, 500000, tzinfo=UTC)),
        ("2026-07-24 09:08:07.123456", datetime.datetime(2026, 7, 24, 9, 8, 7, 123456, tzinfo=UTC)),
        ("yesterday", None),
        ("", None),
        ("0001-01-01T00:00:00+14:00", None),
    ],
)
def test_times_as_others_write_them_are_read(text: str, expected: datetime.datetime | None) -> None:
    assert record_from_lease_spec({"renewTime": text}).renew_time == expected


@case("LE-A26")
@pytest.mark.parametrize(
    ("value", "expected"),
    [("17", 17), ("17.5", 17), (17.5, 17), (-3, -3), (10**30, 2**31 - 1), (True, 0), ("x", 0), (None, 0), ("inf", 0)],
)
def test_durations_as_others_write_them_are_read(value: object, expected: int) -> None:
    text = json.dumps({"holderIdentity": "you", "leaseDurationSeconds": value})
    assert record_from_annotation(text).lease_duration_s == expected


@case("LE-A26")
def test_a_record_of_the_official_python_client_is_read() -> None:
    text = (
        '{"holderIdentity": "you", "leaseDurationSeconds": "17", "acquireTime": "2026-07-24 09:08:07.123456", '
        '"renewTime": "2026-07-24 09:08:09.123456"}'
    )
    record = record_from_annotation(text)
    assert (record.holder_identity, record.lease_duration_s) == ("you", 17)
    assert record.renew_time == datetime.datetime(2026, 7, 24, 9, 8, 9, 123456, tzinfo=UTC)


@case("LE-A27")
@pytest.mark.parametrize(
    "text",
    ["", "garbage", '{"holderIdentity":"y', "[]", '"you"', "null", "[" * 4000, '{"holderIdentity":"' + "x" * 300_000],
)
def test_what_is_no_record_is_refused(text: str) -> None:
    with pytest.raises(DecodeError, match="control-plane"):
        record_from_annotation(text)


@case("LE-A27")
def test_half_a_character_is_replaced_so_that_what_is_kept_can_be_written_back() -> None:
    text = r'{"holderIdentity":"\ud83d\ude00","strategy":"\ud800x","preferredHolder":"y\udfff"}'
    record = record_from_annotation(text)
    assert record == LeaderElectionRecord(holder_identity="\U0001f600", strategy="\ufffdx", preferred_holder="y\ufffd")
    assert annotation_text(record).encode("utf-8")
