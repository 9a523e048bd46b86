from __future__ import annotations

import pytest

from kubeprims.errors import BadRequest
from kubeprims.meta import JSONObject, JSONValue
from kubeprims.testing.apiserver.canonical import canonical, zero
from kubeprims.testing.apiserver.kinds import BUILT_IN_BY_NAME, CUSTOM_RESOURCE_DEFINITIONS, PODS, Kind

SECRETS = BUILT_IN_BY_NAME["", "v1", "secrets"]
EVENTS = BUILT_IN_BY_NAME["", "v1", "events"]
ROLES = BUILT_IN_BY_NAME["rbac.authorization.k8s.io", "v1", "roles"]
SERVICES = BUILT_IN_BY_NAME["", "v1", "services"]
WORKLOADS = BUILT_IN_BY_NAME["apps", "v1", "deployments"]


def read(kind: Kind, **parts: JSONValue) -> JSONObject:
    return canonical({"metadata": {"name": "x"}, **parts}, kind)


def test_what_is_null_empty_or_unknown_is_left_out() -> None:
    pod = read(
        PODS,
        odd=1,
        spec={"containers": [None, {"name": "c", "args": [], "odd": 1, "stdin": False}], "nodeName": "", "priority": 0},
    )
    assert pod["spec"] == {
        "containers": [{"name": "", "resources": {}}, {"name": "c", "resources": {}}],
        "priority": 0,
    }
    assert "odd" not in pod


def test_what_is_always_there_is_filled_in() -> None:
    assert read(ROLES)["rules"] is None
    assert read(ROLES, rules=[])["rules"] == []
    assert read(EVENTS)["firstTimestamp"] is None
    assert read(WORKLOADS)["spec"] == {
        "selector": None,
        "template": {"metadata": {}, "spec": {"containers": None}},
        "strategy": {},
    }
    assert zero(WORKLOADS, "status") == {}
    assert zero(CUSTOM_RESOURCE_DEFINITIONS, "status") is None


def test_definitions_are_left_as_they_are() -> None:
    odd: JSONObject = {"metadata": {"name": "x"}, "spec": {"odd": None}}
    assert canonical(odd, CUSTOM_RESOURCE_DEFINITIONS) is odd


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z"),
        ("2026-01-01T01:00:00+01:00", "2026-01-01T00:00:00Z"),
        ("2026-01-01T00:00:00.987654321Z", "2026-01-01T00:00:00Z"),
    ],
)
def test_times_are_written_in_one_way(text: str, written: str) -> None:
    assert read(EVENTS, firstTimestamp=text)["firstTimestamp"] == written


def test_finer_times_have_six_digits() -> None:
    assert read(EVENTS, eventTime="2026-01-01T00:00:00.987654Z")["eventTime"] == "2026-01-01T00:00:00.987654Z"
    for text in ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00.9876Z", "2026-01-01T00:00:00.9876543Z"):
        with pytest.raises(BadRequest, match="parsing time"):
            read(EVENTS, eventTime=text)


# The texts are what a kube-apiserver 1.37 answers.
@pytest.mark.parametrize(
    ("kind", "parts", "problem"),
    [
        (PODS, {"spec": "x"}, "json: cannot unmarshal string into Go struct field Pod.spec of type v1.PodSpec"),
        (
            PODS,
            {"spec": {"containers": {}}},
            "json: cannot unmarshal object into Go struct field PodSpec.spec.containers of type []v1.Container",
        ),
        (
            PODS,
            {"spec": {"containers": [3]}},
            "json: cannot unmarshal number into Go struct field PodSpec.spec.containers of type v1.Container",
        ),
        (
            PODS,
            {"spec": {"containers": [{"name": 3}]}},
            "json: cannot unmarshal number into Go struct field Container.spec.containers.name of type string",
        ),
        (
            PODS,
            {"spec": {"terminationGracePeriodSeconds": 1.5}},
            (
                "json: cannot unmarshal number 1.5 into Go struct field PodSpec.spec.terminationGracePeriodSeconds of "
                "type int64"
            ),
        ),
        (
            PODS,
            {"spec": {"priority": 3_000_000_000}},
            "json: cannot unmarshal number 3000000000 into Go struct field PodSpec.spec.priority of type int32",
        ),
        (
            PODS,
            {"spec": {"hostNetwork": "x"}},
            "json: cannot unmarshal string into Go struct field PodSpec.spec.hostNetwork of type bool",
        ),
        (
            PODS,
            {"spec": {"nodeSelector": {"a": 3}}},
            "json: cannot unmarshal number into Go struct field PodSpec.spec.nodeSelector of type string",
        ),
        (
            PODS,
            {"spec": {"nodeSelector": []}},
            "json: cannot unmarshal array into Go struct field PodSpec.spec.nodeSelector of type map[string]string",
        ),
        (
            PODS,
            {"spec": {"containers": [{"resources": {"limits": {"cpu": "x"}}}]}},
            "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
        ),
        (
            PODS,
            {"spec": {"containers": [{"resources": {"limits": {"cpu": True}}}]}},
            "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
        ),
        (
            PODS,
            {"status": {"startTime": "x"}},
            'parsing time "x" as "2006-01-02T15:04:05Z07:00": cannot parse "x" as "2006"',
        ),
        (
            PODS,
            {"status": {"startTime": "2026-99-01T00:00:00Z"}},
            (
                'parsing time "2026-99-01T00:00:00Z" as "2006-01-02T15:04:05Z07:00": cannot parse '
                '"2026-99-01T00:00:00Z" as "2006"'
            ),
        ),
        (
            PODS,
            {"status": {"startTime": 3}},
            "json: cannot unmarshal number into Go struct field PodStatus.status.startTime of type time",
        ),
        (
            SERVICES,
            {"spec": {"ports": [{"port": 1, "targetPort": True}]}},
            "json: cannot unmarshal bool into Go struct field ServicePort.spec.ports.targetPort of type int32",
        ),
        (SECRETS, {"data": {"a": "*"}}, "illegal base64 data at input byte 0"),
        (SECRETS, {"data": {"a": "YQ"}}, "illegal base64 data at input byte 0"),
        (SECRETS, {"data": {"a": "YWFh*"}}, "illegal base64 data at input byte 4"),
        (
            SECRETS,
            {"data": {"a": 3}},
            "json: cannot unmarshal number into Go struct field Secret.data of type []uint8",
        ),
        (
            SECRETS,
            {"data": []},
            "json: cannot unmarshal array into Go struct field Secret.data of type map[string][]uint8",
        ),
    ],
)
def test_a_value_of_another_type_is_named(kind: Kind, parts: JSONObject, problem: str) -> None:
    with pytest.raises(BadRequest) as caught:
        read(kind, **parts)
    what = f'{kind.kind} in version "v1" cannot be handled as a {kind.kind}'
    assert caught.value.message == f"{what}: {problem}"


def test_base64_may_be_broken_into_lines() -> None:
    assert read(SECRETS, data={"a": "YWFh\nYQ==\r\n"})["data"] == {"a": "YWFhYQ=="}
