"""Which form of an object a client takes, by its Accept header."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from kubeprims.errors import NotAcceptable

_JSON_RANGES = frozenset({"application/json", "*/*"})
# What upstream's router lets through; it does not take ``application/*`` for any of these.
_ROUTED = frozenset({"application/json", "application/yaml", "application/vnd.kubernetes.protobuf", "*/*"})
_META_GROUP = "meta.k8s.io"
_META_VERSIONS = frozenset({"v1", "v1beta1"})


class Form(Enum):
    """What objects are shown as."""

    OBJECT = ""
    TABLE = "Table"
    METADATA = "PartialObjectMetadata"
    METADATA_LIST = "PartialObjectMetadataList"


@dataclass(frozen=True, slots=True)
class Representation:
    """The form that was agreed on.

    Attributes:
        form: Which.
        version: Of the group ``meta.k8s.io``; says nothing for :attr:`Form.OBJECT`.
    """

    form: Form
    version: str = "v1"

    @property
    def api_version(self) -> str:
        """The ``apiVersion`` of tables and of metadata."""
        return f"{_META_GROUP}/{self.version}"


OBJECT = Representation(Form.OBJECT)


def negotiate(values: Sequence[str], *, has_tables: bool = True) -> Representation:
    """Return the best form that both sides know; none asked for is JSON of the object itself.

    Raises:
        NotAcceptable: There is none.

    Source:
        apiserver pkg/endpoints/handlers/negotiation: by ``q``, then by the order in the header.
    """
    if not "".join(values).strip():
        return OBJECT
    if not any(media_type in _ROUTED for media_type, _ in _clauses(",".join(values))):
        known = "application/json, application/yaml, application/vnd.kubernetes.protobuf"
        message = f"406: Not Acceptable\n\nAvailable representations: {known}"
        raise NotAcceptable(message, code=406, reason="NotAcceptable")
    for media_type, parameters in _clauses(",".join(values)):
        if media_type not in _JSON_RANGES:
            continue
        found = _representation(parameters)
        if found is not None and (has_tables or found.form is not Form.TABLE):
            return found
    message = (
        "only the following media types are accepted: application/json, application/yaml, "
        "application/vnd.kubernetes.protobuf"
    )
    raise NotAcceptable(message, code=406, reason="NotAcceptable")


def _clauses(header: str) -> Iterator[tuple[str, dict[str, str]]]:
    clauses: list[tuple[float, str, dict[str, str]]] = []
    for clause in header.split(","):
        media_type, *rest = (part.strip() for part in clause.split(";"))
        parameters = {name: value for name, _, value in (part.partition("=") for part in rest)}
        clauses.append((_quality(parameters.get("q", "1")), media_type.lower(), parameters))
    for quality, media_type, parameters in sorted(clauses, key=lambda item: -item[0]):
        if quality > 0:
            yield media_type, parameters


def _quality(text: str) -> float:
    try:
        quality = float(text)
    except ValueError:
        return 1.0
    return quality if 0 <= quality <= 1 else 1.0


def _representation(parameters: dict[str, str]) -> Representation | None:
    wanted = parameters.get("as", "")
    if not wanted:
        return OBJECT
    version = parameters.get("v", "")
    try:
        form = Form(wanted)
    except ValueError:
        return None
    is_known = parameters.get("g", "") == _META_GROUP and version in _META_VERSIONS
    return Representation(form, version) if is_known else None
