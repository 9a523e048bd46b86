"""No credential is shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubeprims.transport.redaction import MASK, redact_header, redact_headers, redact_url


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("Authorization", "Bearer abc", f"Bearer {MASK}"),
        ("authorization", "basic abc", f"basic {MASK}"),
        ("AUTHORIZATION", "abc", MASK),
        ("Authorization", "BearerToken abc", MASK),
        ("Proxy-Authorization", "Negotiate abc", f"Negotiate {MASK}"),
        ("Cookie", "a=b", MASK),
        ("Set-Cookie", "a=b", MASK),
        ("X-Remote-User", "jane", MASK),
        ("x-remote-extra-token", "abc", MASK),
        ("Impersonate-Extra-scopes", "abc", MASK),
        ("Impersonate-User", "jane", "jane"),
        ("Accept", "Bearer", "Bearer"),
    ],
)
def test_a_header_is_shown_without_its_credential(name: str, value: str, shown: str) -> None:
    assert redact_header(name, value) == shown
    assert list(redact_headers([(name, value)])) == [(name, shown)]


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://user:pw@host:1/a?b=c", "https://host:1/a?b=c"),
        ("https://user@host", "https://host"),
        ("https://a:p@ss@host/x@y", "https://host/x@y"),
        ("/api?token=abc&limit=5", f"/api?token={MASK}&limit=5"),
        ("/api?limit=5&access_token=abc", f"/api?limit=5&access_token={MASK}"),
        ("/api?p%61ssword=abc", f"/api?p%61ssword={MASK}"),
        ("/api?X-Amz-Signature=a&code=b&codes=c", f"/api?X-Amz-Signature={MASK}&code={MASK}&codes=c"),
        ("/api?continue=abc&labelSelector=a%3Db&watch", "/api?continue=abc&labelSelector=a%3Db&watch"),
        ("/api", "/api"),
    ],
)
def test_a_url_is_shown_without_credentials(url: str, shown: str) -> None:
    assert redact_url(url) == shown


@given(st.text(st.characters(categories=("L", "N")), min_size=1), st.text(min_size=0, max_size=20))
def test_whatever_stands_before_the_host_goes(secret: str, rest: str) -> None:
    marked = f"S3CRET{secret}"
    assert "S3CRET" not in redact_url(f"https://u:{marked}@host/{rest.replace('?', '')}")
    assert "S3CRET" not in redact_url(f"/x?token={marked}&y=z")
