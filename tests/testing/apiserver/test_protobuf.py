"""Protobuf bodies, made by an encoder of the test's own and by kubectl."""

from __future__ import annotations

import contextlib
import importlib.resources

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubeprims.errors import BadRequest, UnsupportedMediaType
from kubeprims.testing.apiserver.protobuf import _messages, decode_object
from tests.testing.apiserver import generate_protobuf_fields


def varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def field(number: int, value: int | str | bytes) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    raw = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(raw)) + raw


def body(api_version: str, kind: str, raw: bytes) -> bytes:
    return b"k8s\0" + field(1, field(1, api_version) + field(2, kind)) + field(2, raw) + field(3, "") + field(4, "")


def entry(key: str, value: bytes | str) -> bytes:
    return field(1, key) + field(2, value)


NAMED = field(1, field(1, "one") + field(2, "") + field(8, b""))


def test_what_kubectl_sends_for_a_deployment() -> None:
    sent = bytes.fromhex(
        "6b3873000a150a07617070732f7631120a4465706c6f796d656e74129b010a1b0a016112001a0022002a003200380042"
        "005a080a03617070120161126e0801120a0a080a036170701201611a560a1a0a0012001a0022002a003200380042005a"
        "080a036170701201611238121a0a01781201782a0042006a007200800100880100900100a201001a00320042004a0052"
        "005800600068008201008a01009a0100c2010022020a00280038001a0c0800100018002000280038001a002200"
    )
    assert decode_object(sent) == {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "a", "labels": {"app": "a"}},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": {"app": "a"}},
            "template": {
                "metadata": {"labels": {"app": "a"}},
                "spec": {"containers": [{"name": "x", "image": "x", "resources": {}}]},
            },
            "strategy": {},
        },
        "status": {},
    }


def test_every_type_of_field() -> None:
    pod_spec = b"".join(
        [
            field(2, field(1, "web") + field(2, "") + field(8, field(1, entry("cpu", field(1, "250m"))))),
            field(2, field(1, "side") + field(10, field(1, field(2, field(2, field(1, 1) + field(3, "http")))))),
            field(5, -1),
            field(11, 0),
            field(7, entry("disk", "ssd")),
            field(1, field(1, "keys") + field(2, field(6, field(1, "secret")))),
        ]
    )
    pod = field(1, field(1, "web-0") + field(9, field(1, 60) + field(2, 5)) + field(14, "a") + field(14, "b"))
    assert decode_object(body("v1", "Pod", pod + field(2, pod_spec))) == {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web-0", "deletionTimestamp": "1970-01-01T00:01:00Z", "finalizers": ["a", "b"]},
        "spec": {
            "containers": [
                {"name": "web", "resources": {"limits": {"cpu": "250m"}}},
                {"name": "side", "livenessProbe": {"httpGet": {"port": "http"}}},
            ],
            "activeDeadlineSeconds": -1,
            "nodeSelector": {"disk": "ssd"},
            "volumes": [{"name": "keys", "secret": {"secretName": "secret"}}],
        },
    }


def test_bytes_become_base64_and_flags_become_booleans() -> None:
    secret = NAMED + field(2, entry("a", b"\0\xff")) + field(5, 1)
    assert decode_object(body("v1", "Secret", secret)) == {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "one"},
        "data": {"a": "AP8="},
        "immutable": True,
    }


def test_leases_keep_microseconds() -> None:
    lease = NAMED + field(2, field(1, "") + field(2, 0) + field(4, field(1, 1) + field(2, 5_000)))
    spec = decode_object(body("coordination.k8s.io/v1", "Lease", lease))["spec"]
    assert spec == {"holderIdentity": "", "leaseDurationSeconds": 0, "renewTime": "1970-01-01T00:00:01.000005Z"}


def test_embedded_json_and_numbers_that_come_packed() -> None:
    revision = NAMED + field(2, field(1, b'{"a":[1]}')) + field(3, 7)
    assert decode_object(body("apps/v1", "ControllerRevision", revision))["data"] == {"a": [1]}
    empty = NAMED + field(2, b"") + field(3, 7)
    assert "data" not in decode_object(body("apps/v1", "ControllerRevision", empty))
    groups = {"securityContext": {"supplementalGroups": [1, 300, 2]}}
    for numbers in (field(4, b"\x01" + varint(300)) + field(4, 2), field(4, 1) + field(4, 300) + field(4, 2)):
        assert decode_object(body("v1", "Pod", field(2, field(14, numbers))))["spec"] == groups


def test_ports_by_number_and_by_name() -> None:
    ports = [field(1, field(3, 80) + field(4, field(1, 0) + field(2, 8080) + field(3, "")))]
    service = decode_object(body("v1", "Service", NAMED + field(2, b"".join(ports))))
    assert service["spec"] == {"ports": [{"port": 80, "targetPort": 8080}]}


def test_delete_options_are_of_every_group() -> None:
    for group in ("v1", "apps/v1", "example.com/v1"):
        options = decode_object(body(group, "DeleteOptions", field(1, 0) + field(4, "Foreground")))
        assert options == {
            "apiVersion": group,
            "kind": "DeleteOptions",
            "gracePeriodSeconds": 0,
            "propagationPolicy": "Foreground",
        }


def test_a_kind_that_is_not_built_in_is_not_supported() -> None:
    with pytest.raises(UnsupportedMediaType, match="batch/v2 Job is not supported"):
        decode_object(body("batch/v2", "Job", b""))


@pytest.mark.parametrize(
    "damaged",
    [
        b"",
        b"{}",
        b"k8s\0\xff",
        b"k8s\0" + b"\xff" * 11,
        b"k8s\0" + field(1, 5),
        b"k8s\0" + varint(1 << 3 | 2) + varint(100),
        b"k8s\0" + varint(1 << 3 | 3),
        b"k8s\0" + varint(9 << 3 | 1) + b"1234",
        body("v1", "Namespace", field(99, 1)),
        body("v1", "Namespace", field(1, 1)),
        body("v1", "Namespace", field(1, field(1, b"\xff"))),
        body("v1", "Namespace", field(1, field(1, 5))),
        body("v1", "Pod", field(2, field(4, "ten"))),
        body("v1", "Pod", field(1, field(8, field(1, 1 << 60)))),
        body("apps/v1", "ControllerRevision", field(2, field(1, b"{"))),
    ],
)
def test_damage_is_a_bad_request(damaged: bytes) -> None:
    with pytest.raises(BadRequest):
        decode_object(damaged)


def test_numbers_of_fixed_size_are_passed_over_in_the_envelope() -> None:
    extra = varint(9 << 3 | 1) + b"12345678" + varint(10 << 3 | 5) + b"1234"
    assert decode_object(body("v1", "Namespace", NAMED) + extra)["metadata"] == {"name": "one"}


@given(st.binary(max_size=200), st.sampled_from(["Pod", "Secret", "Service", "Event", "Nothing"]))
def test_any_bytes_are_an_object_or_a_status(raw: bytes, kind: str) -> None:
    for data in (raw, b"k8s\0" + raw, body("v1", kind, raw)):
        with contextlib.suppress(BadRequest, UnsupportedMediaType):
            assert decode_object(data)["kind"] is not None


@given(st.text(st.characters(codec="utf-8")), st.dictionaries(st.text(st.characters(codec="utf-8")), st.binary()))
def test_what_was_encoded_is_decoded(name: str, data: dict[str, bytes]) -> None:
    raw = field(1, field(1, name)) + b"".join(field(3, entry(key, value)) for key, value in data.items())
    decoded = decode_object(body("v1", "ConfigMap", raw))
    assert decoded["metadata"] == ({"name": name} if name else {})
    assert set(decoded.get("binaryData") or {}) == set(data)


def test_no_message_holds_itself() -> None:
    messages = _messages()

    def depth(message: str, above: frozenset[str]) -> int:
        assert message not in above
        below = {field.type.removeprefix("[]").removeprefix("{}") for field in messages[message].values()}
        return 1 + max((depth(name, above | {message}) for name in below if name in messages), default=0)

    assert max(depth(message, frozenset()) for message in messages) < 20


def test_the_table_of_fields_is_the_one_that_go_has() -> None:
    if not generate_protobuf_fields.MODULES.joinpath(generate_protobuf_fields.SOURCES["core"]).exists():
        pytest.skip("k8s.io/api is not in the Go module cache")
    table = importlib.resources.files("kubeprims.testing.apiserver").joinpath("protobuf_fields.txt")
    assert table.read_text() == generate_protobuf_fields.generate()
