"""Options: what they refuse, and what they send."""

from __future__ import annotations

import math

import pytest

from kubeprims.client.options import (
    ALL_NAMESPACES,
    DeleteOptions,
    FieldValidation,
    ListOptions,
    Preconditions,
    PropagationPolicy,
    ResourceVersionMatch,
    WatchOptions,
    WriteOptions,
    check_timeout_s,
    joined_selectors,
)
from kubeprims.errors import InvalidArgument, InvalidSelector
from kubeprims.sharding import Shard

BAD_TIMEOUTS = [0, -1, -0.5, math.nan, math.inf, -math.inf]


@pytest.mark.parametrize("timeout_s", BAD_TIMEOUTS)
def test_a_timeout_that_cannot_be_waited_for_is_refused(timeout_s: float) -> None:
    with pytest.raises(InvalidArgument, match="positive number of seconds"):
        check_timeout_s(timeout_s)
    with pytest.raises(InvalidArgument):
        ListOptions(timeout_s=timeout_s)
    with pytest.raises(InvalidArgument):
        WatchOptions(timeout_s=timeout_s)


def test_no_timeout_is_none_and_a_positive_one_is_itself() -> None:
    assert check_timeout_s(None) is None
    assert check_timeout_s(0.5) == 0.5


def test_an_empty_list_request_has_no_parameters() -> None:
    assert ListOptions().query() == ()


def test_a_list_request_spells_each_option_as_the_api_does() -> None:
    options = ListOptions(
        resource_version="0",
        resource_version_match=ResourceVersionMatch.NOT_OLDER_THAN,
        limit=10,
        continue_token="t",
        label_selector="a=b",
        field_selector="metadata.name=x",
        timeout_s=3,
    )
    assert options.query() == (
        ("resourceVersion", "0"),
        ("resourceVersionMatch", "NotOlderThan"),
        ("limit", "10"),
        ("continue", "t"),
        ("labelSelector", "a=b"),
        ("fieldSelector", "metadata.name=x"),
    )


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_below_one_is_refused(limit: int) -> None:
    with pytest.raises(InvalidArgument, match="limit is 1 or more"):
        ListOptions(limit=limit)


def test_a_selector_that_cannot_be_parsed_is_refused_before_anything_is_sent() -> None:
    with pytest.raises(InvalidSelector):
        ListOptions(label_selector="a in (")
    with pytest.raises(InvalidSelector):
        WatchOptions(field_selector="a")


def test_a_plain_watch_asks_for_bookmarks_and_an_end() -> None:
    options = WatchOptions(resource_version="7", timeout_s=299.2)
    assert options.query() == (
        ("watch", "true"),
        ("resourceVersion", "7"),
        ("allowWatchBookmarks", "true"),
        ("timeoutSeconds", "300"),
    )
    assert options.deadline_s == 330


def test_a_watch_list_says_how_its_version_matches() -> None:
    options = WatchOptions(send_initial_events=True, allow_bookmarks=False, label_selector="a", field_selector="b=c")
    assert options.query() == (
        ("watch", "true"),
        ("resourceVersionMatch", "NotOlderThan"),
        ("sendInitialEvents", "true"),
        ("timeoutSeconds", "1800"),
        ("labelSelector", "a"),
        ("fieldSelector", "b=c"),
    )


def test_the_match_rule_of_a_watch_is_sent_as_it_was_given() -> None:
    options = WatchOptions(send_initial_events=True, resource_version_match=ResourceVersionMatch.EXACT)
    assert ("resourceVersionMatch", "Exact") in options.query()


def test_a_write_spells_each_option_as_the_api_does() -> None:
    options = WriteOptions(field_manager="m", field_validation=FieldValidation.STRICT, dry_run=True, force=True)
    assert options.query() == (
        ("dryRun", "All"),
        ("fieldManager", "m"),
        ("fieldValidation", "Strict"),
        ("force", "true"),
    )
    assert WriteOptions(force=False).query() == (("force", "false"),)


@pytest.mark.parametrize("manager", ["x" * 129, "a\nb"])
def test_a_field_manager_that_the_server_would_refuse_is_refused(manager: str) -> None:
    with pytest.raises(InvalidArgument, match="field manager"):
        WriteOptions(field_manager=manager)


def test_a_deletion_says_only_what_was_asked_for() -> None:
    assert DeleteOptions().body() == {"kind": "DeleteOptions", "apiVersion": "v1"}
    options = DeleteOptions(
        preconditions=Preconditions(uid="u"),
        grace_period_s=0,
        propagation_policy=PropagationPolicy.FOREGROUND,
        dry_run=True,
    )
    assert options.body() == {
        "kind": "DeleteOptions",
        "apiVersion": "v1",
        "preconditions": {"uid": "u"},
        "gracePeriodSeconds": 0,
        "propagationPolicy": "Foreground",
        "dryRun": ["All"],
    }


def test_a_negative_grace_period_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="grace_period_s"):
        DeleteOptions(grace_period_s=-1)


def test_all_namespaces_is_a_value_of_its_own() -> None:
    assert repr(ALL_NAMESPACES) == "ALL_NAMESPACES"
    assert ALL_NAMESPACES != ""


def test_joined_selectors_select_what_both_do() -> None:
    assert joined_selectors("a=b", "c") == "a=b,c"
    assert joined_selectors("", "c") == "c"
    assert joined_selectors("a=b", "") == "a=b"


@pytest.mark.parametrize("options", [ListOptions, WatchOptions])
def test_a_part_of_the_objects_is_asked_for_by_the_servers_selector(
    options: type[ListOptions | WatchOptions],
) -> None:
    shard = Shard(1, 2, by="namespace")
    assert options(shard=shard).query()[-1] == ("shardSelector", shard.selector)


def test_metadata_alone_is_asked_for_by_the_form_of_the_answer() -> None:
    assert ListOptions(metadata_only=True).accept == "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
    assert WatchOptions(metadata_only=True).accept == "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
    assert ListOptions().accept == WatchOptions().accept == "application/json"
