"""Pod security: the levels that the labels of a namespace ask for, and what they say of its pods. Pure.

Source:
    k8s.io/pod-security-admission admission and api.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from kubeprims.meta import JSONObject, JSONValue
from kubeprims.testing.apiserver.defaulting import items, mapping, text
from kubeprims.testing.apiserver.json_paths import mapping_at
from kubeprims.testing.apiserver.metadata import metadata_of, text_of
from kubeprims.testing.apiserver.pod_security_checks import violations
from kubeprims.testing.apiserver.status import FieldProblem

_PREFIX = "pod-security.kubernetes.io/"
_LEVELS = ("privileged", "baseline", "restricted")
"""From the least strict."""
_LATEST = "latest"
_VERSION = re.compile("v1[.](0|[1-9][0-9]*)")
_TEMPLATES: Mapping[str, Sequence[str]] = {
    "podtemplates": ("template",),
    "cronjobs.batch": ("spec", "jobTemplate", "spec", "template"),
    **dict.fromkeys(
        (
            "replicationcontrollers",
            "daemonsets.apps",
            "deployments.apps",
            "replicasets.apps",
            "statefulsets.apps",
            "jobs.batch",
        ),
        ("spec", "template"),
    ),
}


class Demand(NamedTuple):
    """What pods are held to.

    Attributes:
        level: Which checks.
        version: As of which version of Kubernetes: ``v1.37``, or ``latest``.
    """

    level: str = "privileged"
    version: str = _LATEST

    def __str__(self) -> str:
        return f"{self.level}:{self.version}"

    @property
    def is_none(self) -> bool:
        """Whether this lets in every pod."""
        return self.level == _LEVELS[0]

    def refusal(self, pod: JSONObject, verb: str = "violates") -> str:
        """Return what this has against a pod, or the template of one; empty if that is nothing."""
        found = ", ".join(map(str, violations(self.level, self._minor, pod)))
        return f'{verb} PodSecurity "{self}": {found}' if found else ""

    def reasons(self, pod: JSONObject) -> str:
        """Return what this has against a pod, but not where the pod has it."""
        return ", ".join(violation.reason for violation in violations(self.level, self._minor, pod))

    def tightens(self, old: Demand) -> bool:
        """Return whether pods that were let in under another demand may be against this one."""
        if self == old or self.is_none:
            return False
        return self.version != old.version or _LEVELS.index(self.level) > _LEVELS.index(old.level)

    @property
    def _minor(self) -> int:
        return sys.maxsize if self.version == _LATEST else int(self.version.removeprefix("v1."))


class Demands(NamedTuple):
    """What a namespace asks of its pods.

    Attributes:
        enforce: What pods are refused for.
        warn: What clients are warned of.
        problems: What is wrong with the labels that say so.
    """

    enforce: Demand = Demand()
    warn: Demand = Demand()
    problems: tuple[FieldProblem, ...] = ()


_NOTHING = Demands()


def demands_of(labels: Iterable[tuple[str, JSONValue]]) -> Demands:
    """Return what the labels of a namespace ask for; of what cannot be understood, enforced is the strictest."""
    asked = {key.removeprefix(_PREFIX): value for key, value in labels if key.startswith(_PREFIX)}
    if not asked:
        return _NOTHING
    problems = list[FieldProblem]()
    enforce = _demand(asked, "enforce", problems, otherwise=_LEVELS[-1])
    _demand(asked, "audit", problems)  # who violates that is noted in a log that is not kept here
    warn = _demand(asked, "warn", problems)
    if "warn" not in asked and asked.get("enforce") in _LEVELS[1:]:
        warn = Demand(enforce.level, warn.version if "warn-version" in asked else enforce.version)
    return Demands(enforce, warn, tuple(problems))


def _demand(
    asked: Mapping[str, JSONValue], mode: str, problems: list[FieldProblem], *, otherwise: str = _LEVELS[0]
) -> Demand:
    level, version = asked.get(mode, _LEVELS[0]), asked.get(f"{mode}-version", _LATEST)
    if level not in _LEVELS:
        rule = f"must be one of {', '.join(_LEVELS)}"
        problems.append(FieldProblem.invalid(f"metadata.labels[{_PREFIX}{mode}]", level, rule))
        level = otherwise
    if version != _LATEST and not _VERSION.fullmatch(str(version)):
        rule = 'must be "latest" or "v1.x"'
        problems.append(FieldProblem.invalid(f"metadata.labels[{_PREFIX}{mode}-version]", version, rule))
        version = _LATEST
    return Demand(str(level), str(version))


def label_problems(labels: JSONObject, old: JSONObject | None) -> Sequence[FieldProblem]:
    """Return what is wrong with the labels of a namespace, unless that was wrong already.

    Args:
        labels: The labels.
        old: The labels before; None if the namespace is new.
    """
    problems = demands_of(labels.items()).problems
    return () if old is not None and problems == demands_of(old.items()).problems else problems


def changes_images(pod: JSONObject, old: JSONObject) -> bool:
    """Return whether a pod is to be judged again: nothing else that matters can change."""
    return _images(pod) != _images(old)


def _images(pod: JSONObject) -> list[list[str]]:
    spec = mapping(pod, "spec")
    return [[text(container, "image") for container in items(spec, key)] for key in ("containers", "initContainers")]


def has_template(group_resource: str) -> bool:
    """Return whether objects of a kind have pods made of a template."""
    return group_resource in _TEMPLATES


def template_of(group_resource: str, obj: JSONObject) -> JSONObject:
    """Return what an object has its pods made of."""
    return mapping_at(obj, *_TEMPLATES[group_resource])


def warnings_of_pods(namespace: str, enforce: Demand, pods: Iterable[JSONObject]) -> list[str]:
    """Return which pods are in a namespace that would not be let in any more."""
    names: dict[str, list[str]] = {}
    for pod in pods:
        reasons = enforce.reasons(pod)
        if reasons:
            names.setdefault(reasons, []).append(text_of(metadata_of(pod), "name"))
    if not names:
        return []
    title = f'existing pods in namespace "{namespace}" violate the new PodSecurity enforce level "{enforce}"'
    return [title, *sorted(f"{_first_of(found)}: {reasons}" for reasons, found in names.items())]


def _first_of(names: Sequence[str]) -> str:
    others = len(names) - 1
    more = f" (and {others} other pod{'' if others == 1 else 's'})" if others else ""
    return f"{min(names)}{more}"
