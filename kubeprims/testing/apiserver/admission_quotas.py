"""Quotas: whether a write fits into what a namespace has left, and what is left after it. Pure.

Source:
    apiserver pkg/admission/plugin/resourcequota/controller.go, ``CheckRequest``.
"""

from __future__ import annotations

from collections.abc import Iterable

from kubeprims.meta import JSONObject
from kubeprims.testing.apiserver.admission_classes import NotAdmittedError
from kubeprims.testing.apiserver.admission_usage import Evaluator
from kubeprims.testing.apiserver.defaulting import items, mapping
from kubeprims.testing.apiserver.kind_rules import texts
from kubeprims.testing.apiserver.metadata import metadata_of, text_of
from kubeprims.testing.apiserver.pod_resources import Amounts, added, amounts_of
from kubeprims.testing.apiserver.quantities import difference_of_amounts, parse_quantity

_NOTHING: Amounts = {}


def charged_quotas(
    quotas: Iterable[JSONObject],
    evaluator: Evaluator,
    obj: JSONObject,
    existing: JSONObject | None,
    *,
    is_bounded: bool = True,
) -> list[JSONObject]:
    """Return those of the quotas of a namespace that a write changes, as they are after it.

    As long as nobody has written to the status of a quota what it allows, it binds nobody: that is a controller's work.

    Args:
        quotas: All of the namespace.
        evaluator: How the object counts.
        obj: The object.
        existing: The object before; None if it is new.
        is_bounded: The write is refused if there is not enough left for it.

    Raises:
        NotAdmittedError: The object does not say what it needs, or there is not enough left.
    """
    bound = [quota for quota in quotas if _binds(quota, evaluator, obj)]
    for quota in bound:
        _check_known(quota, evaluator, obj)
    usage = evaluator.usage(obj) if bound else _NOTHING
    charged: list[JSONObject] = []
    for quota in bound:
        before = evaluator.usage(existing) if existing is not None and _binds(quota, evaluator, existing) else _NOTHING
        hard = _hard(quota)
        more = {name: difference_of_amounts(usage[name], before.get(name, "0")) for name in usage if name in hard}
        more = {name: amount for name, amount in more.items() if amount != "0"}
        if not more:
            continue
        used = amounts_of(mapping(quota, "status"), "used")
        after = added(used, more)
        exceeded = sorted(name for name in more if parse_quantity(after[name]).value > parse_quantity(hard[name]).value)
        if exceeded and is_bounded:
            told = [("requested", more), ("used", used), ("limited", hard)]
            parts = [f"{what}: {','.join(f'{name}={amounts[name]}' for name in exceeded)}" for what, amounts in told]
            message = f"exceeded quota: {_name(quota)}, {', '.join(parts)}"
            raise NotAdmittedError(message)
        charged.append({**quota, "status": {**mapping(quota, "status"), "used": dict(sorted(after.items()))}})
    return charged


def _binds(quota: JSONObject, evaluator: Evaluator, obj: JSONObject) -> bool:
    if not any(map(evaluator.counts, _hard(quota))):
        return False
    spec = mapping(quota, "spec")
    requirements: list[JSONObject] = [{"scopeName": scope, "operator": "Exists"} for scope in texts(spec, "scopes")]
    requirements += items(mapping(spec, "scopeSelector"), "matchExpressions")
    return all(evaluator.is_in_scope(requirement, obj) for requirement in requirements)


def _check_known(quota: JSONObject, evaluator: Evaluator, obj: JSONObject) -> None:
    counted = sorted(filter(evaluator.counts, _hard(quota)))
    missing = evaluator.missing(obj, counted)
    if missing:
        message = f"failed quota: {_name(quota)}: {missing}"
        raise NotAdmittedError(message)
    if not mapping(mapping(quota, "status"), "used").keys() >= {*counted}:
        message = f"status unknown for quota: {_name(quota)}, resources: {','.join(counted)}"
        raise NotAdmittedError(message)


def _hard(quota: JSONObject) -> Amounts:
    return amounts_of(mapping(quota, "status"), "hard")


def _name(quota: JSONObject) -> str:
    return text_of(metadata_of(quota), "name")
