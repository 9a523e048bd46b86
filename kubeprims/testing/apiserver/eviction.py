"""Evictions: deletions of pods that their disruption budgets must allow.

Source:
    kubernetes pkg/registry/core/pod/storage/eviction.go.
"""

from __future__ import annotations

from kubeprims.clock import Clock
from kubeprims.errors import StatusCause, TooManyRequests
from kubeprims.meta import JSONObject
from kubeprims.testing.apiserver.defaulting import items, mapping, text
from kubeprims.testing.apiserver.encoding import decode_object, decode_tail, encode
from kubeprims.testing.apiserver.kind_rules import is_empty_selector, number, selects
from kubeprims.testing.apiserver.kinds import POD_DISRUPTION_BUDGETS, PODS
from kubeprims.testing.apiserver.metadata import metadata_of, text_of, timestamp
from kubeprims.testing.apiserver.objects import Answer, Objects
from kubeprims.testing.apiserver.queries import DeleteOptions, parse_delete_options
from kubeprims.testing.apiserver.remover import Remover
from kubeprims.testing.apiserver.status import bad_request, plain_failure, render_success

_REFUSED = "Cannot evict pod as it would violate the pod's disruption budget."
_UNGUARDED_PHASES = frozenset({"Succeeded", "Failed", "Pending"})
_RETRY_AFTER_S = 10
_SEVERAL = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."


class Evictor:
    """Carries out evictions.

    Concurrency:
        Safe in any thread: each eviction is one step under the storage's lock.
    """

    def __init__(self, objects: Objects, remover: Remover, clock: Clock) -> None:
        self._objects = objects
        self._remover = remover
        self._clock = clock

    def evict(self, namespace: str, name: str, body: bytes | JSONObject) -> Answer:
        """Delete a pod if no budget is against it.

        Raises:
            BadRequest: The body is for another pod.
            NotFound: There is no such pod.
            TooManyRequests: The budget allows no disruption at the moment.
            InternalError: The pod has several budgets.
        """
        eviction = decode_object(body, PODS)
        if text(mapping(eviction, "metadata"), "name") != name:
            message = "name in URL does not match name in Eviction object"
            raise bad_request(message)
        options = eviction.get("deleteOptions")
        parsed = parse_delete_options((), encode(options)) if options else DeleteOptions()
        storage = self._objects.storage
        with storage.condition, storage.rehearsal(is_wanted=parsed.dry_run):
            pod = decode_tail(self._objects.get(PODS, namespace, name).tail)
            if text(mapping(pod, "status"), "phase") not in _UNGUARDED_PHASES and not _is_going(pod):
                self._ask_budget(namespace, pod)
            self._remover.delete(PODS, namespace, name, parsed)
        return Answer(201, render_success({}, code=201))

    def _ask_budget(self, namespace: str, pod: JSONObject) -> None:
        table = self._objects.table(POD_DISRUPTION_BUDGETS)
        budgets = [decode_tail(table.objects[key].tail) for key in table.keys(f"{namespace}/")]
        guarding = [budget for budget in budgets if _guards(budget, pod)]
        if len(guarding) > 1:
            raise plain_failure(_SEVERAL)
        for budget in guarding:
            changed = _after_disruption(budget, pod, timestamp(self._clock.wall()))
            if changed is not None:
                self._objects.put(POD_DISRUPTION_BUDGETS, namespace, changed)


def _is_going(pod: JSONObject) -> bool:
    return "deletionTimestamp" in metadata_of(pod)


def _guards(budget: JSONObject, pod: JSONObject) -> bool:
    selector = mapping(budget, "spec").get("selector")
    if not isinstance(selector, dict):
        return False  # no selector selects nothing, an empty one everything
    return is_empty_selector(selector) or selects(selector, mapping(metadata_of(pod), "labels"))


def _after_disruption(budget: JSONObject, pod: JSONObject, now: str) -> JSONObject | None:
    """Return the budget with the disruption counted; None if the pod is unhealthy and does not count.

    Raises:
        TooManyRequests: It allows no more.
    """
    status, name = mapping(budget, "status"), text_of(metadata_of(budget), "name")
    healthy, needed = number(status, "currentHealthy") or 0, number(status, "desiredHealthy") or 0
    always = text(mapping(budget, "spec"), "unhealthyPodEvictionPolicy") == "AlwaysAllow"
    if not _is_ready(pod) and (always or (healthy >= needed > 0)):
        return None
    if (number(status, "observedGeneration") or 0) < (number(metadata_of(budget), "generation") or 0):
        cause = f"The disruption budget {name} is still being processed by the server."
        raise _too_many(cause, retry_after_s=_RETRY_AFTER_S)
    allowed = number(status, "disruptionsAllowed") or 0
    if allowed <= 0:
        if healthy <= needed:
            raise _too_many(f"The disruption budget {name} needs {needed} healthy pods and has {healthy} currently")
        raise _too_many(f"The disruption budget {name} does not allow evicting pods currently")
    disrupted = {**mapping(status, "disruptedPods"), text_of(metadata_of(pod), "name"): now}
    return {**budget, "status": {**status, "disruptionsAllowed": allowed - 1, "disruptedPods": disrupted}}


def _is_ready(pod: JSONObject) -> bool:
    conditions = items(mapping(pod, "status"), "conditions")
    return any(condition.get("type") == "Ready" and condition.get("status") == "True" for condition in conditions)


def _too_many(cause: str, *, retry_after_s: float | None = None) -> TooManyRequests:
    return TooManyRequests(
        _REFUSED,
        code=429,
        reason="TooManyRequests",
        causes=[StatusCause("", "DisruptionBudget", cause)],
        retry_after_s=retry_after_s,
    )
