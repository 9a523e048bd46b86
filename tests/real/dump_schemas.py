"""Makes ``built_in_schemas.json.gz`` from what a real API server says of its kinds.

``python -m tests.real.dump_schemas`` starts one, and writes the file. Prose is left out: names, types, formats,
defaults, and the rules of lists and patches are facts.
"""

from __future__ import annotations

import gzip
import json
import pathlib
import tempfile
from collections.abc import Iterable

from kubeprims.meta import JSONObject, JSONValue
from kubeprims.testing.apiserver.kinds import BUILT_IN_KINDS
from tests.real.cluster import RealCluster, find_assets

FILE = pathlib.Path(__file__).parents[2] / "kubeprims" / "testing" / "apiserver" / "built_in_schemas.json.gz"
_REVIEWS = {"apis/authentication.k8s.io/v1", "apis/authorization.k8s.io/v1"}
GROUP_VERSIONS = sorted(
    _REVIEWS | {f"apis/{kind.group}/{kind.version}" if kind.group else f"api/{kind.version}" for kind in BUILT_IN_KINDS}
)
# Their one fact, the kinds that they stand for, is another one in each group.
_SHARED = ("DeleteOptions", "WatchEvent")
_KINDS = "x-kubernetes-group-version-kind"


def definitions(cluster: RealCluster) -> dict[str, JSONObject]:
    """Return the definitions of a cluster, without prose, by name."""
    found: dict[str, JSONObject] = {}
    for group_version in GROUP_VERSIONS:
        code, document = cluster.request("GET", f"/openapi/v3/{group_version}")
        components = document["components"]
        assert code == 200, document
        assert isinstance(components, dict)
        schemas = components["schemas"]
        assert isinstance(schemas, dict)
        for name, schema in schemas.items():
            facts = _facts(schema)
            assert isinstance(facts, dict)
            if name.endswith(_SHARED):
                facts.pop(_KINDS, None)
            assert found.setdefault(name, facts) == facts, name
    return dict(sorted(found.items()))


def _facts(schema: JSONValue) -> JSONValue:
    """Return a schema without descriptions; a property may have that name."""
    match schema:
        case dict():
            return {
                key: _members(value) if key == "properties" else _facts(value)
                for key, value in schema.items()
                if key != "description"
            }
        case list():
            return [_facts(item) for item in schema]
        case _:
            return schema


def _members(properties: JSONValue) -> JSONValue:
    assert isinstance(properties, dict)
    return {name: _facts(schema) for name, schema in properties.items()}


def packed(found: Iterable[tuple[str, JSONObject]]) -> bytes:
    """Return what the file has in it; the same for the same definitions."""
    return gzip.compress(json.dumps(dict(found), separators=(",", ":")).encode(), mtime=0)


def _main() -> None:
    assets = find_assets()
    assert assets is not None, "KUBEBUILDER_ASSETS is not set"
    with tempfile.TemporaryDirectory() as folder:
        cluster = RealCluster(pathlib.Path(folder), assets)
        try:
            cluster.start()
            FILE.write_bytes(packed(definitions(cluster).items()))
        finally:
            cluster.stop()


if __name__ == "__main__":
    _main()
