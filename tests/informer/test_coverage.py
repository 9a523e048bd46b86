from __future__ import annotations

import pytest

from kubeprims.cache.indexer import Indexer
from kubeprims.informer.coverage import Coverage
from kubeprims.informer.pipeline import Pipeline
from kubeprims.informer.scope import Scope
from kubeprims.meta import GroupVersionResource
from kubeprims.sharding import Shard

PODS = GroupVersionResource("", "v1", "pods")


def listed(*namespaces: str | None) -> Pipeline:
    pipeline = Pipeline(Indexer({}))
    for namespace in namespaces:
        pipeline.source(namespace).replace([], "7")
    return pipeline


def test_of_an_informer_that_was_not_told_nothing_is_certain() -> None:
    coverage = Coverage(None, listed(None))
    assert coverage.resource is None
    assert not coverage.is_metadata_only
    assert coverage.follows("prod")
    assert not coverage.covers("prod", {}, "u")
    assert not coverage.knows_all_of("prod")


@pytest.mark.parametrize(
    "scope",
    [
        Scope(resource=PODS, label_selector="app!=web"),
        Scope(resource=PODS, field_selector="spec.nodeName=a"),
        Scope(resource=PODS, shard=Shard(1, 2)),
    ],
)
def test_a_selective_cache_does_not_know_all(scope: Scope) -> None:
    assert not Coverage(scope, listed(None)).knows_all_of("prod")


def test_a_cache_knows_what_it_has_listed() -> None:
    pipeline = listed("prod")
    coming = pipeline.source("test")
    coverage = Coverage(Scope(resource=PODS), pipeline)
    assert coverage.knows_all_of("prod")
    assert coverage.covers("prod", {"app": "web"}, "u")
    assert coverage.follows("test"), "it will have its objects"
    assert not coverage.knows_all_of("test"), "it has not yet"
    assert not coverage.follows("other")
    coming.replace([], "9")
    assert coverage.knows_all_of("test")
    assert coverage.has_reached("9", namespace="test")
    assert not coverage.has_reached("9", namespace="prod")
    assert not coverage.has_reached("9")
    pipeline.remove_source(coming)
    assert not coverage.follows("test")
