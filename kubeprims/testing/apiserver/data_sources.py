"""Where the first content of a volume comes from: two fields of its claim that say the same thing.

Source:
    kubernetes pkg/api/persistentvolumeclaim/util.go, ``EnforceDataSourceBackwardsCompatibility`` and
    ``NormalizeDataSources``.
"""

from __future__ import annotations

from kubeprims.meta import JSONObject
from kubeprims.testing.apiserver.defaulting import mapping, text

_OLD, _NEW = "dataSource", "dataSourceRef"
_KNOWN = frozenset({("PersistentVolumeClaim", ""), ("VolumeSnapshot", "snapshot.storage.k8s.io")})


def with_data_sources(claim: JSONObject, existing: JSONObject | None = None) -> JSONObject:
    """Return a claim whose two fields agree; of a new one, what the older field could never name is dropped."""
    spec, old = mapping(claim, "spec"), mapping(existing, "spec") if existing is not None else {}
    if _OLD not in spec and _NEW not in spec:
        return claim
    made: JSONObject = {**spec}
    if mapping(made, _NEW).get("namespace") and not mapping(old, _NEW).get("namespace"):
        del made[_NEW]  # an alpha feature, which is off
    source = mapping(made, _OLD)
    is_known = (text(source, "kind"), text(source, "apiGroup")) in _KNOWN
    if _OLD in made and _NEW not in made and not is_known and not ({_OLD, _NEW} & {*old}):
        del made[_OLD]
    return {**claim, "spec": with_agreeing_sources(made)}


def with_agreeing_sources(spec: JSONObject) -> JSONObject:
    """Return the spec of a claim with both fields, if it has one that can be said in both."""
    if _OLD in spec and _NEW not in spec:
        return {**spec, _NEW: mapping(spec, _OLD)}
    reference = mapping(spec, _NEW)
    if _NEW in spec and _OLD not in spec and not reference.get("namespace"):
        source: JSONObject = {key: value for key, value in reference.items() if key != "namespace"}
        return {**spec, _OLD: source}
    return spec
