"""Bearer tokens."""

from __future__ import annotations

import pytest

from kubeprims.errors import ConfigError, Unauthorized
from kubeprims.testing import VirtualClock
from kubeprims.testing.apiserver.auth import ANONYMOUS, Authenticator, User
from kubeprims.testing.apiserver.tls import PeerCertificate

CLOCK = VirtualClock()
JANE = User("jane", ("dev", "qa"))


def test_without_tokens_everybody_is_let_in() -> None:
    authenticator = Authenticator(None)
    assert authenticator.authenticate(None, None, CLOCK) == ANONYMOUS
    assert authenticator.authenticate("Bearer anything", None, CLOCK) == ANONYMOUS
    assert authenticator.first_token() == ""


@pytest.mark.parametrize("header", ["Bearer jane-token", "bearer  jane-token "])
def test_a_token_stands_for_its_user(header: str) -> None:
    authenticator = Authenticator({"jane-token": JANE})
    assert authenticator.authenticate(header, None, CLOCK) == User("jane", ("dev", "qa", "system:authenticated"))
    assert authenticator.first_token() == "jane-token"


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer wrong", "Basic jane-token", "jane-token"])
def test_anything_else_is_unauthorized(header: str | None) -> None:
    with pytest.raises(Unauthorized) as caught:
        Authenticator({"jane-token": JANE}).authenticate(header, None, CLOCK)
    assert (caught.value.code, caught.value.reason) == (401, "Unauthorized")


def test_no_tokens_at_all_lets_nobody_in() -> None:
    with pytest.raises(Unauthorized):
        Authenticator({}).authenticate(None, None, CLOCK)


def test_tokens_can_be_replaced() -> None:
    authenticator = Authenticator({"old": JANE})
    authenticator.replace({"new": JANE})
    assert authenticator.authenticate("Bearer new", None, CLOCK).name == "jane"
    with pytest.raises(Unauthorized):
        authenticator.authenticate("Bearer old", None, CLOCK)


@pytest.mark.parametrize("token", ["", "two words", "né", "line\nend"])
def test_what_cannot_be_a_token_is_refused_without_being_shown(token: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Authenticator({token: JANE})
    assert not token or token not in str(caught.value)


def test_a_user_has_a_name() -> None:
    with pytest.raises(ConfigError, match="name"):
        User("")


CERTIFICATE = PeerCertificate("joan", ("dev", "qa"), 4_000_000_000, "0f")


def test_a_certificate_counts_before_a_token() -> None:
    user = Authenticator({"jane-token": JANE}).authenticate("Bearer jane-token", CERTIFICATE, CLOCK)
    assert (user.name, user.groups) == ("joan", ("dev", "qa", "system:authenticated"))
    assert user.extra == {"authentication.kubernetes.io/credential-id": ("X509SHA256=0f",)}
    assert Authenticator(None).authenticate(None, CERTIFICATE, CLOCK) == user


def test_a_certificate_without_a_name_is_none() -> None:
    nameless = CERTIFICATE._replace(common_name="")
    assert Authenticator(None).authenticate(None, nameless, CLOCK) == ANONYMOUS
    assert Authenticator({"jane-token": JANE}).authenticate("Bearer jane-token", nameless, CLOCK).name == "jane"


@pytest.mark.parametrize("tokens", [None, {}, {"jane-token": JANE}])
def test_a_certificate_that_expires_on_an_open_connection_lets_nobody_in(tokens: dict[str, User] | None) -> None:
    with pytest.raises(Unauthorized):
        Authenticator(tokens).authenticate(None, CERTIFICATE._replace(expires_at_s=1), CLOCK)


def test_a_token_counts_beside_an_expired_certificate() -> None:
    expired = CERTIFICATE._replace(expires_at_s=1)
    assert Authenticator({"jane-token": JANE}).authenticate("Bearer jane-token", expired, CLOCK).name == "jane"
