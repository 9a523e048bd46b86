"""The rules of what makes pods.

Source:
    kubernetes pkg/apis/apps/validation and pkg/apis/batch/validation.
"""

from __future__ import annotations

from collections.abc import Iterable

from kubeprims.meta import JSONObject, JSONValue
from kubeprims.testing.apiserver.defaulting import items, mapping, text
from kubeprims.testing.apiserver.kind_rules import (
    IMMUTABLE,
    Problems,
    indexed,
    is_empty_selector,
    label_selector,
    named,
    non_negative,
    number,
    one_of,
    selects,
    share,
    share_below_whole,
)
from kubeprims.testing.apiserver.kind_validation_jobs import job_name_problems, job_spec_problems, job_update_problems
from kubeprims.testing.apiserver.kind_validation_pods import template_problems
from kubeprims.testing.apiserver.kind_validation_schedules import schedule_problems, time_zone_problems
from kubeprims.testing.apiserver.kind_validation_storage import claim_spec_problems
from kubeprims.testing.apiserver.kinds import NameRule
from kubeprims.testing.apiserver.metadata import metadata_of, text_of
from kubeprims.testing.apiserver.status import FieldProblem

_MISMATCH = "`selector` does not match template `labels`"
_CRON_NAME_LENGTH_MAX = 52
_STATEFUL_CHANGEABLE = frozenset(
    {
        "replicas",
        "ordinals",
        "template",
        "updateStrategy",
        "revisionHistoryLimit",
        "persistentVolumeClaimRetentionPolicy",
        "minReadySeconds",
    }
)
_UID_LABEL = "batch.kubernetes.io/controller-uid"


def _selector_problems(spec: JSONObject, what: str) -> Problems:
    selector = spec.get("selector")
    if not isinstance(selector, dict):
        yield FieldProblem.required("spec.selector", "")
        return
    yield from label_selector(selector, "spec.selector")
    if is_empty_selector(selector):
        yield FieldProblem.invalid("spec.selector", {}, f"empty selector is invalid for {what}")


def _template_labels(spec: JSONObject) -> JSONValue:
    return mapping(mapping(spec, "template"), "metadata").get("labels")


def _match_problems(spec: JSONObject) -> Problems:
    """The selector has to select the pods that are made."""
    selector, found = spec.get("selector"), _template_labels(spec)
    matched = isinstance(selector, dict) and selects(selector, found if isinstance(found, dict) else {})
    if not matched:
        yield FieldProblem.invalid("spec.template.metadata.labels", found, _MISMATCH)


def _always_problems(spec: JSONObject) -> Problems:
    yield from one_of(mapping(mapping(spec, "template"), "spec"), "restartPolicy", "spec.template.spec", ("Always",))


def _broken_selector(spec: JSONObject, problems: Iterable[FieldProblem]) -> Problems:
    """What upstream adds when a selector cannot be used: it is wrong as a whole."""
    selector = spec.get("selector")
    if isinstance(selector, dict) and any(problem.field.startswith("spec.selector.") for problem in problems):
        yield FieldProblem.invalid("spec.selector", selector, "invalid label selector")


def _fixed_selector(spec: JSONObject, old: JSONObject | None) -> Problems:
    if old is not None and spec.get("selector") != mapping(old, "spec").get("selector"):
        yield FieldProblem.invalid("spec.selector", spec.get("selector"), IMMUTABLE)


def _pods_problems(spec: JSONObject, what: str, *numbers: str) -> Problems:
    """Return what is wrong with a selector, and with the template of what it selects."""
    yield from non_negative(spec, "spec", *numbers)
    found = [*_selector_problems(spec, what)]
    yield from found
    broken = [*_broken_selector(spec, found)]
    yield from broken
    if not broken:
        if not (isinstance(spec.get("selector"), dict) and is_empty_selector(mapping(spec, "selector"))):
            yield from _match_problems(spec)
        yield from template_problems(mapping(spec, "template"), "spec.template")
        yield from _always_problems(spec)


def deployment_problems(obj: JSONObject, old: JSONObject | None) -> Problems:
    """Return which rules a deployment breaks."""
    spec = mapping(obj, "spec")
    yield from _pods_problems(spec, "deployment", "replicas")
    yield from _rollout_problems(mapping(spec, "strategy"))
    yield from non_negative(spec, "spec", "minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds")
    deadline_s, ready_s = number(spec, "progressDeadlineSeconds"), number(spec, "minReadySeconds") or 0
    if deadline_s is not None and deadline_s <= ready_s:
        rule = "must be greater than minReadySeconds"
        yield FieldProblem.invalid("spec.progressDeadlineSeconds", deadline_s, rule)
    yield from _fixed_selector(spec, old)


def _rollout_problems(strategy: JSONObject) -> Problems:
    path, rolling = "spec.strategy.rollingUpdate", mapping(strategy, "rollingUpdate")
    match text(strategy, "type"):
        case "Recreate":
            if rolling:
                yield FieldProblem.forbidden(path, "may not be specified when strategy `type` is 'Recreate'")
        case "RollingUpdate":
            yield from share(rolling, "maxUnavailable", path)
            yield from share(rolling, "maxSurge", path)
            if rolling.get("maxUnavailable") in (0, "0%") and rolling.get("maxSurge") in (0, "0%"):
                rule = "may not be 0 when `maxSurge` is 0"
                yield FieldProblem.invalid(f"{path}.maxUnavailable", rolling.get("maxUnavailable"), rule)
            yield from share_below_whole(rolling, "maxUnavailable", path)
        case _:
            yield _unsupported_strategy("spec.strategy", strategy, ("Recreate", "RollingUpdate"))


def _unsupported_strategy(field: str, strategy: JSONObject, supported: tuple[str, ...]) -> FieldProblem:
    given = _go_strategy(strategy)
    problem = FieldProblem.unsupported(field, "", supported)
    rest = problem.text.removeprefix('Unsupported value: "": ')
    return problem._replace(text=f"Unsupported value: {given}: {rest}")


def _go_strategy(strategy: JSONObject) -> str:
    return f'{{"Type":"{text(strategy, "type")}","RollingUpdate":null}}'


def replica_set_problems(obj: JSONObject, old: JSONObject | None) -> Problems:
    """Return which rules a replica set breaks."""
    spec = mapping(obj, "spec")
    yield from _pods_problems(spec, "ReplicaSet", "replicas", "minReadySeconds")
    yield from _fixed_selector(spec, old)


def replication_controller_problems(obj: JSONObject, _old: JSONObject | None) -> Problems:
    """Return which rules a replication controller breaks."""
    spec = mapping(obj, "spec")
    yield from non_negative(spec, "spec", "replicas", "minReadySeconds")
    selector, template = mapping(spec, "selector"), spec.get("template")
    if not selector:
        yield FieldProblem.required("spec.selector", "")
    if not isinstance(template, dict):
        yield FieldProblem.required("spec.template", "")
        return
    found = mapping(mapping(template, "metadata"), "labels")
    if not selects({"matchLabels": selector}, found):
        yield FieldProblem.invalid("spec.template.metadata.labels", found, _MISMATCH)
    yield from template_problems(template, "spec.template")
    yield from _always_problems(spec)


def stateful_set_problems(obj: JSONObject, old: JSONObject | None) -> Problems:
    """Return which rules a stateful set breaks."""
    spec = mapping(obj, "spec")
    if old is not None:
        yield from _stateful_update_problems(spec, mapping(old, "spec"))
    policy, strategy = text(spec, "podManagementPolicy"), mapping(spec, "updateStrategy")
    if policy not in {"OrderedReady", "Parallel"}:
        yield FieldProblem.invalid("spec.podManagementPolicy", policy, "must be 'OrderedReady' or 'Parallel'")
    if text(strategy, "type") in {"RollingUpdate", "OnDelete"}:
        rolling, path = mapping(strategy, "rollingUpdate"), "spec.updateStrategy.rollingUpdate"
        yield from non_negative(rolling, path, "partition")
        yield from share(rolling, "maxUnavailable", path)
        if text(strategy, "type") == "OnDelete" and "rollingUpdate" in strategy:
            shown: JSONObject = {
                "Partition": rolling.get("partition", 0),
                "MaxUnavailable": rolling.get("maxUnavailable"),
            }
            yield FieldProblem.invalid(path, shown, "only allowed for updateStrategy 'RollingUpdate'")
    else:
        rule = f"Invalid value: {_go_strategy(strategy)}: must be 'RollingUpdate' or 'OnDelete'"
        yield FieldProblem("spec.updateStrategy", "FieldValueInvalid", rule)
    if spec.get("serviceName") and old is None:
        yield from named(text(spec, "serviceName"), "spec.serviceName", NameRule.DNS_LABEL)
    yield from non_negative(mapping(spec, "ordinals"), "spec.ordinals", "start")
    retention = mapping(spec, "persistentVolumeClaimRetentionPolicy")
    for key in ("whenDeleted", "whenScaled"):
        yield from one_of(retention, key, "spec.persistentVolumeClaimRetentionPolicy", ("Retain", "Delete"))
    for field, claim in indexed(spec, "volumeClaimTemplates", "spec") if old is None else ():
        yield from claim_spec_problems(mapping(claim, "spec"), f"{field}.spec")
    yield from _pods_problems(_with_made_pods(spec), "statefulset", "replicas", "minReadySeconds")


def _with_made_pods(spec: JSONObject) -> JSONObject:
    """Return a spec with the pods that the set makes: with its claims as volumes, and names of its own."""
    template = mapping(spec, "template")
    names = [text(metadata_of(claim), "name") for claim in items(spec, "volumeClaimTemplates")]
    pod: JSONObject = {
        key: value for key, value in mapping(template, "spec").items() if key not in {"subdomain", "hostname"}
    }
    if names:
        volumes: list[JSONValue] = [
            {"name": name, "persistentVolumeClaim": {"claimName": name}} for name in dict.fromkeys(names)
        ]
        volumes.extend(volume for volume in items(pod, "volumes") if volume.get("name") not in names)
        pod["volumes"] = volumes
    return {**spec, "template": {**template, "spec": pod}} if "template" in spec else spec


def _stateful_update_problems(spec: JSONObject, old: JSONObject) -> Problems:
    fixed = [key for key in sorted({*spec, *old} - _STATEFUL_CHANGEABLE) if spec.get(key) != old.get(key)]
    for key in fixed:
        yield FieldProblem.invalid(f"spec.{key}", spec.get(key), IMMUTABLE)


def daemon_set_problems(obj: JSONObject, old: JSONObject | None) -> Problems:
    """Return which rules a daemon set breaks."""
    spec = mapping(obj, "spec")
    selector, strategy = mapping(spec, "selector"), mapping(spec, "updateStrategy")
    yield from label_selector(selector, "spec.selector")
    if "selector" in spec and spec["selector"] is not None and is_empty_selector(selector):
        yield FieldProblem.invalid("spec.selector", {}, "empty selector is invalid for daemonset")
    else:
        yield from _match_problems(spec)
    yield from template_problems(mapping(spec, "template"), "spec.template")
    yield from _always_problems(spec)
    yield from non_negative(spec, "spec", "minReadySeconds")
    if text(strategy, "type") not in {"RollingUpdate", "OnDelete"}:
        yield _unsupported_strategy("spec.updateStrategy", strategy, ("RollingUpdate", "OnDelete"))
    elif text(strategy, "type") == "RollingUpdate":
        rolling, path = mapping(strategy, "rollingUpdate"), "spec.updateStrategy.rollingUpdate"
        for key in ("maxUnavailable", "maxSurge"):
            yield from share(rolling, key, path)
            yield from share_below_whole(rolling, key, path)
        if rolling.get("maxUnavailable") in (0, "0%") and rolling.get("maxSurge") in (0, "0%"):
            yield FieldProblem.required(f"{path}.maxUnavailable", "cannot be 0 when maxSurge is 0")
        elif rolling.get("maxSurge") not in {0, "0%", None} and rolling.get("maxUnavailable") not in {0, "0%", None}:
            rule = "may not be set when maxUnavailable is non-zero"
            yield FieldProblem.invalid(f"{path}.maxSurge", rolling.get("maxSurge"), rule)
    yield from non_negative(spec, "spec", "revisionHistoryLimit")
    yield from _fixed_selector(spec, old)


def job_problems(obj: JSONObject, old: JSONObject | None) -> Problems:
    """Return which rules a job breaks."""
    spec = mapping(obj, "spec")
    if old is None and isinstance(spec.get("selector"), dict) and not spec.get("manualSelector"):
        generated: JSONObject = {_UID_LABEL: text_of(metadata_of(obj), "uid")}
        if spec["selector"] != {"matchLabels": generated}:
            yield FieldProblem.invalid("spec.selector", spec["selector"], "`selector` not auto-generated")
    yield from job_spec_problems(spec, "spec")
    if not isinstance(spec.get("selector"), dict):
        yield FieldProblem.required("spec.selector", "")
    yield from _match_problems(spec)
    if old is not None:
        yield from job_update_problems(obj, old)
    yield from job_name_problems(obj)


def cron_job_problems(obj: JSONObject, _old: JSONObject | None) -> Problems:
    """Return which rules a cron job breaks."""
    spec, name = mapping(obj, "spec"), text_of(metadata_of(obj), "name")
    template = mapping(mapping(spec, "jobTemplate"), "spec")
    yield from job_spec_problems(template, "spec.jobTemplate.spec")
    if len(name) > _CRON_NAME_LENGTH_MAX:
        rule = f"must be no more than {_CRON_NAME_LENGTH_MAX} characters"
        yield FieldProblem.invalid("metadata.name", name, rule)
    yield from schedule_problems(spec)
    yield from non_negative(spec, "spec", "startingDeadlineSeconds")
    yield from time_zone_problems(spec)
    yield from one_of(spec, "concurrencyPolicy", "spec", ("Allow", "Forbid", "Replace"))
    yield from non_negative(spec, "spec", "successfulJobsHistoryLimit", "failedJobsHistoryLimit")
