"""Records made by hand, as a codec would make them."""

from __future__ import annotations

import json
from collections.abc import Mapping

from kubeprims.meta import JSONObject, ObjectKey
from kubeprims.objects.record import ObjectRecord


def make_record(
    key: str,
    version: object = "",
    *,
    uid: str = "",
    labels: Mapping[str, str] | None = None,
    spec: JSONObject | None = None,
) -> ObjectRecord:
    """Return the record of an object; a different ``version`` or ``spec`` makes different bytes."""
    named = ObjectKey.parse(key)
    flat = tuple(text for pair in sorted((labels or {}).items()) for text in pair)
    metadata: JSONObject = {"name": named.name, "resourceVersion": str(version)}
    if named.namespace:
        metadata["namespace"] = named.namespace
    content: JSONObject = {"metadata": metadata, "spec": spec or {}}
    return key, uid, str(version), flat, json.dumps(content).encode()
