"""ID tokens: what is read of them, and that anything else is one named error."""

from __future__ import annotations

import base64
import datetime
import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kubeprims.errors import DecodeError
from kubeprims.transport.id_token import ID_TOKEN_BYTES_MAX, IDToken, read_id_token
from tests.transport.identity_provider import encoded, jwt

EXP = 1_767_225_600


def read_or_refuse(text: str) -> IDToken | None:
    """Return what is read, or None for the one error that there may be, which keeps nothing of it."""
    try:
        return read_id_token(text)
    except DecodeError as error:
        refusal = error
    assert (refusal.raw, refusal.__context__) == (b"", None)
    return None


def test_claims_are_read() -> None:
    token = read_id_token(jwt({"iss": "https://idp", "sub": "jane", "aud": ["a", "b"], "exp": EXP}))
    assert (token.issuer, token.subject, token.audience) == ("https://idp", "jane", ("a", "b"))
    assert token.expires_at == datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)
    assert token.text not in repr(token)


def test_what_is_not_said_is_empty_and_an_expiry_may_have_a_fraction() -> None:
    token = read_id_token(jwt({"exp": EXP + 0.9, "aud": "a", "iss": None}))
    assert (token.issuer, token.subject, token.audience) == ("", "", ("a",))
    assert token.expires_at.timestamp() == EXP
    assert read_id_token(jwt({"exp": EXP})).audience == ()


@pytest.mark.parametrize(
    ("claims", "what"),
    [
        ({}, "exp is missing"),
        ({"exp": "1767225600"}, "exp is missing"),
        ({"exp": True}, "exp is missing"),
        ({"exp": -1}, "exp is missing"),
        ({"exp": 10**4000}, "exp is missing"),
        ({"exp": EXP * 1000}, "exp is missing"),
        ({"exp": EXP, "iss": 1}, "claim iss"),
        ({"exp": EXP, "sub": ["jane"]}, "claim sub"),
        ({"exp": EXP, "aud": {"a": 1}}, "claim aud"),
        ({"exp": EXP, "aud": ["a", 1]}, "claim aud"),
        ([], "not a JSON object"),
    ],
)
def test_claims_of_another_kind_are_refused(claims: object, what: str) -> None:
    with pytest.raises(DecodeError, match=what):
        read_id_token(jwt(claims))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a.b",
        "a.b.c.d",
        f"a.{encoded({'exp': EXP})}.",
        f"a.{encoded({'exp': EXP})}=.c",
        f"a.{encoded({'exp': EXP})}.c\r\nX: y",
        f"a.{encoded({'exp': EXP})}.c\n",
        f"ä.{encoded({'exp': EXP})}.c",
        "a" * ID_TOKEN_BYTES_MAX + f".{encoded({'exp': EXP})}.c",
    ],
)
def test_what_is_no_signed_token_or_too_long_is_refused(text: str) -> None:
    with pytest.raises(DecodeError, match="not a signed JWT"):
        read_id_token(text)


@given(st.text() | st.from_regex(r"[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*", fullmatch=True))
@example("a.a.a")
@example("a.eyJ.a")
def test_any_text_is_read_or_refused(text: str) -> None:
    read_or_refuse(text)


@given(st.binary() | st.recursive(st.just(b"1"), lambda inner: inner.map(lambda raw: b"[" + raw + b"]")))
@example(b"[" * 20_000)
@example(b'{"exp":1e999}')
@example(b'{"exp":NaN}')
@example(b'{"exp":1,"sub":"\\ud800"}')
@example(b'{"exp":' + b"9" * 5_000 + b"}")
def test_any_payload_is_read_or_refused(payload: bytes) -> None:
    read_or_refuse(f"a.{base64.urlsafe_b64encode(payload).decode().rstrip('=')}.c")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["iss", "sub", "aud", "exp", "nbf"]), VALUES))
def test_any_claims_are_read_or_refused(claims: dict[str, object]) -> None:
    text = json.dumps(claims)
    token = read_or_refuse(f"a.{base64.urlsafe_b64encode(text.encode()).decode().rstrip('=')}.c")
    if token is not None:
        assert isinstance(claims["exp"], (int, float))
        assert int(token.expires_at.timestamp()) == int(claims["exp"])
