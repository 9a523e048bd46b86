"""Paths and queries."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubeprims.errors import BadRequest
from kubeprims.meta import GroupVersionResource
from kubeprims.testing.apiserver.routes import ResourcePath, Verb, decode_path, parse_path, parse_query, verb_for

PODS = GroupVersionResource("", "v1", "pods")
NAMESPACES = GroupVersionResource("", "v1", "namespaces")
DEPLOYMENTS = GroupVersionResource("apps", "v1", "deployments")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/api/v1/pods", ResourcePath(gvr=PODS)),
        ("/api/v1/pods/", ResourcePath(gvr=PODS)),
        ("/api/v1/namespaces/prod/pods", ResourcePath(gvr=PODS, namespace="prod")),
        ("/api/v1/namespaces/prod/pods/web-0", ResourcePath(gvr=PODS, namespace="prod", name="web-0")),
        (
            "/api/v1/namespaces/prod/pods/web-0/status",
            ResourcePath(gvr=PODS, namespace="prod", name="web-0", subresource="status"),
        ),
        (
            "/api/v1/namespaces/prod/pods/web-0/proxy/a/b",
            ResourcePath(gvr=PODS, namespace="prod", name="web-0", subresource="proxy/a/b"),
        ),
        ("/api/v1/namespaces", ResourcePath(gvr=NAMESPACES)),
        ("/api/v1/namespaces/prod", ResourcePath(gvr=NAMESPACES, name="prod")),
        ("/api/v1/namespaces/prod/status", ResourcePath(gvr=NAMESPACES, name="prod", subresource="status")),
        ("/api/v1/namespaces/prod/finalize", ResourcePath(gvr=NAMESPACES, name="prod", subresource="finalize")),
        (
            "/apis/apps/v1/namespaces/prod/deployments/web/scale",
            ResourcePath(gvr=DEPLOYMENTS, namespace="prod", name="web", subresource="scale"),
        ),
        ("/api/v1/watch/pods", ResourcePath(gvr=PODS, is_watch=True)),
        (
            "/api/v1/watch/namespaces/prod/pods/web-0",
            ResourcePath(gvr=PODS, namespace="prod", name="web-0", is_watch=True),
        ),
        ("/api/v1/watch", ResourcePath(gvr=GroupVersionResource("", "v1", "watch"))),
    ],
)
def test_a_path_names_a_resource(path: str, expected: ResourcePath) -> None:
    assert parse_path(path) == expected


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "/api",
        "/api/v1",
        "/apis",
        "/apis/apps",
        "/apis/apps/v1",
        "/healthz",
        "/openapi/v3/api/v1",
        "api/v1/pods",
        "/api/v1//pods",
        "/api/v1/./pods",
        "/api/v1/pods//",
    ],
)
def test_other_paths_name_none(path: str) -> None:
    assert parse_path(path) is None


SEGMENT = st.from_regex(r"[a-z0-9][-.a-z0-9]{0,20}", fullmatch=True).filter(
    lambda text: text not in {"status", "finalize"}
)


@given(group=st.none() | SEGMENT, namespace=st.none() | SEGMENT, name=st.none() | SEGMENT, sub=st.none() | SEGMENT)
def test_what_a_path_was_made_of_is_what_it_names(
    group: str | None, namespace: str | None, name: str | None, sub: str | None
) -> None:
    path = f"/apis/{group}/v1" if group else "/api/v1"
    if namespace:
        path += f"/namespaces/{namespace}"
    path += "/widgets"
    if name:
        path += f"/{name}" + (f"/{sub}" if sub else "")
    assert parse_path(path) == ResourcePath(
        gvr=GroupVersionResource(group or "", "v1", "widgets"),
        namespace=namespace or "",
        name=name or "",
        subresource=(sub or "") if name else "",
    )


@given(st.text())
def test_any_text_is_a_resource_or_none(path: str) -> None:
    parsed = parse_path(path)
    if parsed is not None:
        assert parsed.gvr.resource
        assert "/" not in parsed.name


@given(st.binary())
def test_any_bytes_in_a_path_are_decoded_or_refused(raw: bytes) -> None:
    decode_path(raw.decode("latin-1"))


def test_a_path_is_decoded_strictly() -> None:
    assert decode_path("/api/v1/%70ods") == "/api/v1/pods"
    assert decode_path("/a+b") == "/a+b"
    assert decode_path("/a%2") is None
    assert decode_path("/a%zz") is None
    assert decode_path("/%ff") is None


def test_a_query_is_decoded_in_order_and_bounded() -> None:
    assert parse_query("") == ()
    assert parse_query("labelSelector=a%3Db&watch=&labelSelector=c+d") == (
        ("labelSelector", "a=b"),
        ("watch", ""),
        ("labelSelector", "c d"),
    )
    with pytest.raises(BadRequest, match="more than 128 fields"):
        parse_query("&".join(["a=b"] * 129))


@pytest.mark.parametrize(
    ("method", "path", "query", "verb"),
    [
        ("GET", "/api/v1/pods", "", Verb.LIST),
        ("GET", "/api/v1/pods", "watch=1", Verb.WATCH),
        ("GET", "/api/v1/pods", "watch", Verb.WATCH),
        ("GET", "/api/v1/pods", "watch=True", Verb.WATCH),
        ("GET", "/api/v1/pods", "watch=False", Verb.LIST),
        ("GET", "/api/v1/pods", "watch=0&watch=1", Verb.LIST),
        ("POST", "/api/v1/pods", "watch=1", Verb.CREATE),
        ("DELETE", "/api/v1/pods", "", Verb.DELETE_COLLECTION),
        ("PUT", "/api/v1/pods", "", None),
        ("PATCH", "/api/v1/pods", "", None),
        ("HEAD", "/api/v1/pods", "", None),
        ("GET", "/api/v1/namespaces/a", "watch=1", Verb.GET),
        ("PUT", "/api/v1/namespaces/a", "", Verb.UPDATE),
        ("PATCH", "/api/v1/namespaces/a", "", Verb.PATCH),
        ("DELETE", "/api/v1/namespaces/a", "", Verb.DELETE),
        ("POST", "/api/v1/namespaces/a", "", None),
        ("POST", "/api/v1/namespaces/a/b/c/d", "", Verb.CREATE),
        ("GET", "/api/v1/watch/pods", "", Verb.WATCH),
        ("POST", "/api/v1/watch/pods", "", None),
    ],
)
def test_the_method_and_the_path_make_the_verb(method: str, path: str, query: str, verb: Verb | None) -> None:
    parsed = parse_path(path)
    assert parsed is not None
    assert verb_for(method, parsed, parse_query(query)) is verb
