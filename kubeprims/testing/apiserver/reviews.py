"""The review that tells clients who they are: ``SelfSubjectReview``, which is answered and never kept.

The other reviews, of tokens and of rights, are not served: there is nothing here that could be asked about them.
"""

from __future__ import annotations

import datetime
import json

from kubeprims.errors import MethodNotAllowed
from kubeprims.meta import JSONValue
from kubeprims.testing.apiserver.auth import User
from kubeprims.testing.apiserver.discovery import APIResource
from kubeprims.testing.apiserver.status import bad_request

SELF_SUBJECT_REVIEW = APIResource(
    group="authentication.k8s.io",
    version="v1",
    name="selfsubjectreviews",
    singular="selfsubjectreview",
    kind="SelfSubjectReview",
    namespaced=False,
    verbs=("create",),
)
"""As discovery shows it."""

PATH = "/apis/authentication.k8s.io/v1/selfsubjectreviews"


def review(method: str, body: bytes, user: User, now: datetime.datetime) -> bytes:
    """Return who a request is from.

    Raises:
        MethodNotAllowed: Reviews can only be created.
        BadRequest: The body is no such review.
    """
    if method != "POST":
        message = "the server does not allow this method on the requested resource"
        raise MethodNotAllowed(message, code=405, reason="MethodNotAllowed")
    _check(body)
    info: dict[str, object] = {"username": user.name}
    info |= {"uid": user.uid} if user.uid else {}
    info |= {"groups": user.groups} if user.groups else {}
    info |= {"extra": {key: user.extra[key] for key in sorted(user.extra)}} if user.extra else {}
    answer = {
        "kind": SELF_SUBJECT_REVIEW.kind,
        "apiVersion": SELF_SUBJECT_REVIEW.group_version,
        "metadata": {"creationTimestamp": f"{now:%Y-%m-%dT%H:%M:%SZ}"},
        "status": {"userInfo": info},
    }
    return json.dumps(answer, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"


def _check(body: bytes) -> None:
    try:
        given: JSONValue = json.loads(body)
    except (ValueError, RecursionError):
        given = None
    kind, api_version = SELF_SUBJECT_REVIEW.kind, SELF_SUBJECT_REVIEW.group_version
    names = (given.get("kind", kind), given.get("apiVersion", api_version)) if isinstance(given, dict) else ()
    if names != (kind, api_version):
        raise bad_request(f"the object provided is unrecognized (must be of type {kind})")
