"""Bearer tokens."""

from __future__ import annotations

import pytest

from kubeprims.errors import ConfigError, Unauthorized
from kubeprims.testing.apiserver.auth import ANONYMOUS, Authenticator, User

JANE = User("jane", ("dev", "qa"))


def test_without_tokens_everybody_is_let_in() -> None:
    authenticator = Authenticator(None)
    assert authenticator.authenticate(None) == ANONYMOUS
    assert authenticator.authenticate("Bearer anything") == ANONYMOUS
    assert authenticator.first_token() == ""


@pytest.mark.parametrize("header", ["Bearer jane-token", "bearer  jane-token "])
def test_a_token_stands_for_its_user(header: str) -> None:
    authenticator = Authenticator({"jane-token": JANE})
    assert authenticator.authenticate(header) == User("jane", ("dev", "qa", "system:authenticated"))
    assert authenticator.first_token() == "jane-token"


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer wrong", "Basic jane-token", "jane-token"])
def test_anything_else_is_unauthorized(header: str | None) -> None:
    with pytest.raises(Unauthorized) as caught:
        Authenticator({"jane-token": JANE}).authenticate(header)
    assert (caught.value.code, caught.value.reason) == (401, "Unauthorized")


def test_no_tokens_at_all_lets_nobody_in() -> None:
    with pytest.raises(Unauthorized):
        Authenticator({}).authenticate(None)


def test_tokens_can_be_replaced() -> None:
    authenticator = Authenticator({"old": JANE})
    authenticator.replace({"new": JANE})
    assert authenticator.authenticate("Bearer new").name == "jane"
    with pytest.raises(Unauthorized):
        authenticator.authenticate("Bearer old")


@pytest.mark.parametrize("token", ["", "two words", "né", "line\nend"])
def test_what_cannot_be_a_token_is_refused_without_being_shown(token: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Authenticator({token: JANE})
    assert not token or token not in str(caught.value)


def test_a_user_has_a_name() -> None:
    with pytest.raises(ConfigError, match="name"):
        User("")
