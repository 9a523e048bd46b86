from __future__ import annotations

import pytest

from kubeprims.meta import JSONObject, JSONValue
from kubeprims.testing.apiserver.kind_rules import address, label_selector, named, port_name_problems, selects, share
from kubeprims.testing.apiserver.kind_validation import kind_problems
from kubeprims.testing.apiserver.kind_validation_schedules import schedule_problems
from kubeprims.testing.apiserver.kinds import BUILT_IN_BY_NAME, PODS, Kind, NameRule
from tests.testing.apiserver.backends import Server, part
from tests.testing.apiserver.given_objects import pod


@pytest.mark.parametrize(
    ("expression", "labels", "selected"),
    [
        ({"key": "a", "operator": "In", "values": ["b"]}, {"a": "b"}, True),
        ({"key": "a", "operator": "In", "values": ["b"]}, {"a": "c"}, False),
        ({"key": "a", "operator": "In", "values": ["b"]}, {}, False),
        ({"key": "a", "operator": "NotIn", "values": ["b"]}, {"a": "b"}, False),
        ({"key": "a", "operator": "NotIn", "values": ["b"]}, {}, True),
        ({"key": "a", "operator": "Exists"}, {"a": "x"}, True),
        ({"key": "a", "operator": "Exists"}, {}, False),
        ({"key": "a", "operator": "DoesNotExist"}, {}, True),
        ({"key": "a", "operator": "DoesNotExist"}, {"a": "x"}, False),
    ],
)
def test_expressions_select(expression: JSONObject, labels: JSONObject, *, selected: bool) -> None:
    assert selects({"matchExpressions": [expression]}, labels) is selected
    assert not [*label_selector({"matchExpressions": [expression]}, "s")]


def test_no_selector_has_no_problem() -> None:
    assert not [*label_selector(None, "s")]


def test_shares_are_numbers_or_percent() -> None:
    assert [problem.field for problem in share({"a": -1}, "a", "p")] == ["p.a"]
    assert [problem.field for problem in share({"a": "1"}, "a", "p")] == ["p.a"]
    assert not [*share({"a": "1%"}, "a", "p")]
    assert not [*share({}, "a", "p")]


def test_names_of_ports_have_rules() -> None:
    assert not [*port_name_problems("http-2")]
    assert [*port_name_problems("1")] == ["must contain at least one letter (a-z)"]
    assert [*port_name_problems("-a--b")] == [
        "must not contain consecutive hyphens",
        "must not begin or end with a hyphen",
    ]


def test_names_are_judged_by_the_rule_of_their_place() -> None:
    assert [problem.text for problem in named("a.b", "f", NameRule.DNS_LABEL)] == [
        'Invalid value: "a.b": must not contain dots'
    ]


def test_custom_objects_and_kinds_without_rules_break_none() -> None:
    custom = Kind(group="example.com", resource="widgets", kind="Widget", custom=True)
    accounts = BUILT_IN_BY_NAME["", "v1", "serviceaccounts"]
    assert kind_problems({"metadata": {}}, None, custom) == []
    assert kind_problems({"metadata": {}}, None, accounts) == []


def test_what_was_created_in_bulk_may_stay_as_it_is() -> None:
    server = Server()
    server.put_in("v1/pods", {"metadata": {"name": "p"}})
    patched = server.patch("v1/pods", "p", {"metadata": {"labels": {"a": "b"}}})
    assert part(patched, "metadata", "labels") == {"a": "b"}
    worse: JSONObject = {"metadata": {"name": "p"}, **pod(restartPolicy="Odd")}
    fields = [problem.field for problem in kind_problems(worse, server.get("v1/pods", "p"), PODS)]
    assert fields == ["spec.restartPolicy", "spec.containers"]


@pytest.mark.parametrize(
    ("value", "rule"),
    [
        ("1.2.3.4", ""),
        ("10.0.0.0", ""),
        ("::1", ""),
        ("01.2.3.4", "must not have leading 0s"),
        ("1.2.3.00", "must not have leading 0s"),
        ("::ffff:1.2.3.04", "must not have leading 0s"),
        ("::ffff:1.2.3.4", "must not be an IPv4-mapped IPv6 address"),
        ("1.2.3", "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"),
        ("1.2.3.256", "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"),
        ("fe80::1%eth0", "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"),
        ("", "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"),
    ],
)
def test_addresses_can_be_read_in_one_way_only(value: str, rule: str) -> None:
    assert [problem.text.rpartition('": ')[2] for problem in address(value, "f")] == ([rule] if rule else [])


@pytest.mark.parametrize(
    ("schedule", "rule"),
    [
        ("@every 1.5h", ""),
        ("@every 0", ""),
        ("@every 5x", 'time: unknown unit "x" in duration "5x"'),
        ("@every 1h5", 'time: missing unit in duration "1h5"'),
        ("@every 5x3h", 'time: unknown unit "x" in duration "5x3h"'),
        ("@every .", 'time: invalid duration "."'),
        ("00000000000000000000005 * * * *", ""),
        ("TZ=Europe/Berlin  @daily", "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"),
    ],
)
def test_schedules_say_when(schedule: str, rule: str) -> None:
    found = [problem.text for problem in schedule_problems({"schedule": schedule})]
    assert [text.endswith(rule) for text in found] == ([True] if rule else [])


def test_a_status_that_was_created_in_bulk_may_stay_as_it_is() -> None:
    server = Server()
    server.put_in("v1/pods", {"metadata": {"name": "p"}, "status": {"observedGeneration": -1}})
    patched = server.patch("v1/pods", "p", {"status": {"phase": "Running"}}, subresource="status")
    assert part(patched, "status") == {"observedGeneration": -1, "phase": "Running"}


def test_endpoints_are_addresses_that_others_can_reach() -> None:
    address: JSONObject = {"ip": "127.0.0.1", "nodeName": "A B", "hostname": "A"}
    ports: list[JSONValue] = [{"port": 1, "protocol": "TCP"}, {"port": 2, "name": "A", "protocol": "TCP"}]
    endpoints: JSONObject = {"metadata": {}, "subsets": [{"addresses": [address], "ports": ports}]}
    found = [problem.field for problem in kind_problems(endpoints, None, BUILT_IN_BY_NAME["", "v1", "endpoints"])]
    place = "subsets[0].addresses[0]"
    assert found == [
        f"{place}.hostname",
        f"{place}.nodeName",
        f"{place}.ip",
        "subsets[0].ports[0].name",
        "subsets[0].ports[1].name",
    ]
