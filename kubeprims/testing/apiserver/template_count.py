"""How many templates a daemon set has had: a field once, that is left as an annotation.

Whatever a client says of it, a server counts on; yet who leaves it out is taken to have written a zero, and owns that.

Source:
    kubernetes pkg/apis/apps/v1/conversion.go, pkg/registry/apps/daemonset/strategy.go.
"""

from __future__ import annotations

import re

from kubeprims.meta import JSONObject
from kubeprims.testing.apiserver.defaulting import mapping
from kubeprims.testing.apiserver.metadata import metadata_of
from kubeprims.testing.apiserver.status import bad_request, quoted

_COUNT = "deprecated.daemonset.template.generation"
_NUMBER = re.compile(r"[+-]?[0-9]+", re.ASCII)
_LIMIT = 1 << 63
_DIGITS_MAX = 4_000  # what Python reads as a number


def read_template_count(daemon_set: JSONObject) -> None:
    """Put the count that a client gave, or none, in the form that it has in an object.

    Raises:
        BadRequest: It is no number.
    """
    given = mapping(mapping(daemon_set, "metadata"), "annotations").get(_COUNT, "0")
    _put(daemon_set, _parsed(str(given)))


def begin_template_count(daemon_set: JSONObject) -> None:
    """Count the template of a new daemon set, whose client may begin with a higher number."""
    _put(daemon_set, max(_count_of(daemon_set), 1))


def count_template(daemon_set: JSONObject, existing: JSONObject, *, is_other: bool) -> None:
    """Keep the count of a daemon set that changes, one higher if its template is another one."""
    _put(daemon_set, _count_of(existing) + is_other)


def _count_of(daemon_set: JSONObject) -> int:
    return _parsed(str(mapping(metadata_of(daemon_set), "annotations").get(_COUNT, "0")))


def _put(daemon_set: JSONObject, count: int) -> None:
    metadata = mapping(daemon_set, "metadata")
    annotations: JSONObject = {**mapping(metadata, "annotations"), _COUNT: str(count)}
    daemon_set["metadata"] = {**metadata, "annotations": annotations}


def _parsed(text: str) -> int:
    problem = "invalid syntax"
    if _NUMBER.fullmatch(text):
        count = int(text) if len(text) < _DIGITS_MAX else _LIMIT
        if -_LIMIT <= count < _LIMIT:
            return count
        problem = "value out of range"
    message = f'DaemonSet in version "v1" cannot be handled as a DaemonSet: strconv.ParseInt: parsing {quoted(text)}'
    raise bad_request(f"{message}: {problem}")
