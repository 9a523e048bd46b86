from __future__ import annotations

import pytest

from kubeprims.http1 import RemoteProtocolError, TargetForm
from kubeprims.http1.targets import Target, is_authority, parse_target


@pytest.mark.parametrize(
    ("method", "text", "target"),
    [
        ("GET", "/", Target(TargetForm.ORIGIN, "/", "", "")),
        ("GET", "//x//y", Target(TargetForm.ORIGIN, "//x//y", "", "")),
        ("GET", "/a%2Fb/../c%zz?b=c;d&e=%zz?f", Target(TargetForm.ORIGIN, "/a%2Fb/../c%zz", "b=c;d&e=%zz?f", "")),
        ("GET", "/?", Target(TargetForm.ORIGIN, "/", "", "")),
        ("GET", '/"<>\\^`{|}', Target(TargetForm.ORIGIN, '/"<>\\^`{|}', "", "")),
        ("GET", "http://a", Target(TargetForm.ABSOLUTE, "/", "", "a")),
        ("GET", "http://a?q", Target(TargetForm.ABSOLUTE, "/", "q", "a")),
        ("GET", "HTTPS://a.b:443/x//?q?r", Target(TargetForm.ABSOLUTE, "/x//", "q?r", "a.b:443")),
        ("GET", "http://[::1]:80/x", Target(TargetForm.ABSOLUTE, "/x", "", "[::1]:80")),
        ("OPTIONS", "*", Target(TargetForm.ASTERISK, "*", "", "")),
        ("OPTIONS", "/x", Target(TargetForm.ORIGIN, "/x", "", "")),
        ("CONNECT", "a:443", Target(TargetForm.AUTHORITY, "", "", "a:443")),
        ("CONNECT", "[::1]:443", Target(TargetForm.AUTHORITY, "", "", "[::1]:443")),
    ],
)
def test_a_target_is_cut_up_and_never_decoded(method: str, text: str, target: Target) -> None:
    assert parse_target(method, text) == target


@pytest.mark.parametrize(
    ("method", "text"),
    [
        ("GET", ""),
        ("GET", "/a#b"),
        ("GET", "/a b"),
        ("GET", "/a\tb"),
        ("GET", "/\x7f"),
        ("GET", "/caf\xe9"),
        ("GET", "path"),
        ("GET", "*"),
        ("GET", "a:443"),
        ("GET", "ftp://a/"),
        ("GET", "ws://a/"),
        ("GET", "http:/a"),
        ("GET", "http:///x"),
        ("GET", "http://user@a/"),
        ("GET", "http://a:b/"),
        ("OPTIONS", "**"),
        ("CONNECT", "/"),
        ("CONNECT", "a"),
        ("CONNECT", "a:"),
        ("CONNECT", "[::1]"),
        ("CONNECT", "http://a:443"),
    ],
)
def test_any_other_target_is_refused(method: str, text: str) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        parse_target(method, text)
    assert caught.value.status_code == 400


@pytest.mark.parametrize("text", ["a", "a.b-c_d:1", "1.2.3.4:6443", "[::1]", "[::ffff:1.2.3.4]:80", "a:", "a%20b"])
def test_a_host_may_have_a_port(text: str) -> None:
    assert is_authority(text)


@pytest.mark.parametrize("text", ["", "a@b", "a/b", "a b", "a:b", "a:123456", "::1", "[::1", "a,b\n", "a?b", "[v1.x]"])
def test_what_is_more_or_less_than_a_host_is_refused(text: str) -> None:
    assert not is_authority(text)
