"""Tokens, token files and passwords."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from kubeprims.errors import ConfigError
from kubeprims.testing.clock import VirtualClock
from kubeprims.transport.auth import Credentials, TokenFile, authorization
from kubeprims.transport.origin import Origin
from tests.parity import case


@pytest.fixture(name="path")
def path_fixture(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text("one")
    return path


@case("IM-163")
def test_a_token_file_is_read_again_within_a_minute(path: Path) -> None:
    clock = VirtualClock()
    tokens = TokenFile(str(path), clock=clock)
    path.write_text("two")
    clock.advance(49)
    assert tokens.value() == "Bearer one"
    clock.advance(1)
    assert tokens.value() == "Bearer two"


@case("IM-164")
@pytest.mark.parametrize(
    "spoil", [Path.unlink, lambda path: path.write_text(" \n"), lambda path: path.write_bytes(b"a b")]
)
def test_a_token_file_that_is_gone_or_empty_leaves_the_last_token_and_one_line_a_period(
    path: Path, spoil: object, caplog: pytest.LogCaptureFixture
) -> None:
    clock = VirtualClock()
    tokens = TokenFile(str(path), clock=clock)
    spoil(path)  # type: ignore[operator]
    for _ in range(100):
        clock.advance(1)
        assert tokens.value() == "Bearer one"
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 2
    path.write_text("two")
    clock.advance(50)
    assert tokens.value() == "Bearer two"
    assert len(caplog.records) == 2


def test_a_pipe_in_place_of_a_token_file_holds_nobody_up(path: Path) -> None:
    clock = VirtualClock()
    tokens = TokenFile(str(path), clock=clock)
    path.unlink()
    os.mkfifo(path)
    clock.advance(50)
    assert tokens.value() == "Bearer one"
    with pytest.raises(ConfigError, match="is not a regular file"):
        TokenFile(str(path), clock=clock)


@case("IM-165")
def test_white_space_around_a_token_is_trimmed(path: Path) -> None:
    path.write_text("\tone\r\n\n")
    assert TokenFile(str(path), clock=VirtualClock()).value() == "Bearer one"


def test_a_rejected_token_has_the_file_read_once(path: Path) -> None:
    tokens = TokenFile(str(path), clock=VirtualClock())
    assert tokens.renewed("Bearer one") is None
    path.write_text("two")
    assert tokens.renewed("Bearer one") == "Bearer two"
    path.write_text("three")
    assert tokens.renewed("Bearer one") == "Bearer two"  # another thread has read it meanwhile


@pytest.mark.parametrize("content", [None, "", "a\nb", "schlüssel"])
def test_the_first_reading_must_give_a_token(path: Path, content: str | None) -> None:
    if content is None:
        path.unlink()
    else:
        path.write_text(content)
    credentials = Credentials(token_file=str(path), origin=Origin("/k", 'user "u"'))
    with pytest.raises(ConfigError, match=r'^/k: user "u": tokenFile: '):
        authorization(credentials, clock=VirtualClock())


def test_a_token_stands_in_for_a_file_that_cannot_be_read(path: Path) -> None:
    clock = VirtualClock()
    both = Credentials(token=" static ", token_file=str(path))
    source = authorization(both, clock=clock)
    assert source is not None
    assert source.value() == "Bearer one"
    path.unlink()
    source = authorization(both, clock=clock)
    assert source is not None
    assert source.value() == "Bearer static"


def test_a_static_token_and_a_password_never_change() -> None:
    clock = VirtualClock()
    for credentials, value in (
        (Credentials(token="abc\n"), "Bearer abc"),
        (Credentials(username="jane", password="pä:ss"), "Basic amFuZTpww6Q6c3M="),
    ):
        source = authorization(credentials, clock=clock)
        assert source is not None
        assert source.value() == value
        assert source.renewed(value) is None
    assert authorization(Credentials(), clock=clock) is None


def test_no_repr_shows_a_token(path: Path) -> None:
    assert "one" not in repr(TokenFile(str(path), clock=VirtualClock()))
    assert "abc" not in repr(Credentials(token="abc"))
