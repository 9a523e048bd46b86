"""What a server makes of the objects of ``given_objects`` and ``invalid_objects``, and what a real one made of them.

``python -m tests.testing.apiserver.recorded_kinds FOLDER`` starts a real API server in a folder, asks it, and writes
what it answered to ``recorded/kinds.json``.
"""

from __future__ import annotations

import functools
import json
import pathlib
import re
import sys
from collections.abc import Callable, Mapping

from kubeprims.meta import JSONObject, JSONValue
from kubeprims.testing.apiserver.kinds import BUILT_IN_KINDS, Kind
from tests.testing.apiserver.given_objects import GIVEN
from tests.testing.apiserver.invalid_objects import REFUSED

Request = Callable[[str, str, JSONObject | None], tuple[int, JSONObject]]

FILE = pathlib.Path(__file__).parent / "recorded" / "kinds.json"
_KINDS: Mapping[str, Kind] = {f"{kind.api_version}/{kind.resource}": kind for kind in BUILT_IN_KINDS}
_NAME = "recorded"
_VARYING = ("uid", "resourceVersion", "creationTimestamp", "managedFields", "namespace")
_UID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_ADDRESS = re.compile(r'"10\.0\.\d+\.\d+"')
_NODE_PORT = re.compile(r'"nodePort": ?\d+')
_TIME = re.compile(r'"lastPhaseTransitionTime": ?"[^"]*"')
# Of these, a real server shows its own internal form, or the difference between two of them.
_INTERNAL = re.compile(
    r"^(Forbidden: (?:pod updates may|spec is immutable)[^\n]*)\n.*|^(Invalid value: ){\"Spec\":.*", re.DOTALL
)
_SHOWN_OBJECT = re.compile(r'^Invalid value: \{"(?:spec|metadata)":.*', re.DOTALL)


@functools.cache
def recorded() -> Mapping[str, Mapping[str, JSONObject]]:
    """Return what a real server answered: ``given`` and ``refused``, by the name of the case."""
    answers: Mapping[str, Mapping[str, JSONObject]] = json.loads(FILE.read_text())
    return answers


def given_outcome(request: Request, case: str) -> JSONObject:
    """Create the object of a case, and return what the server made of it, without what differs each time."""
    resource, obj = GIVEN[case]
    kind = _KINDS[resource]
    path = _path(kind)
    _remove(request, path)
    status, created = request("POST", path, _full(obj, kind))
    _remove(request, path)
    assert status == 201, created.get("message")
    metadata = created["metadata"]
    assert isinstance(metadata, dict)
    created["metadata"] = {key: value for key, value in metadata.items() if key not in _VARYING}
    text = json.dumps(created, sort_keys=True)
    for pattern, constant in (
        (_UID, "UID"),
        (_ADDRESS, '"ADDRESS"'),
        (_NODE_PORT, '"nodePort": 0'),
        (_TIME, '"lastPhaseTransitionTime": "TIME"'),
    ):
        text = pattern.sub(constant, text)
    outcome: JSONObject = json.loads(text)
    return outcome


def refused_outcome(request: Request, case: str) -> JSONObject:
    """Try the write of a case, and return why the server refused it."""
    refused = REFUSED[case]
    kind = _KINDS[refused.resource]
    path = _path(kind)
    obj = _full(refused.obj, kind)
    _remove(request, path)
    if refused.before is None:
        status, answer = request("POST", path, obj)
    else:
        status, before = request("POST", path, _full(refused.before, kind))
        assert status == 201, before.get("message")
        if not kind.unconditional_update:
            obj = _with_version(obj, before)
        status, answer = request("PUT", f"{path}/{_NAME}", obj)
    _remove(request, path)
    assert status >= 400, "the object was taken"
    details = answer.get("details")
    causes = details.get("causes", []) if isinstance(details, dict) else []
    assert isinstance(causes, list)
    shown: list[JSONValue] = [_shown(cause) for cause in causes if isinstance(cause, dict)]
    return {"code": status, "reason": answer.get("reason"), "causes": _sorted_keys(shown)}


def _shown(cause: JSONObject) -> JSONObject:
    message = _UID.sub("UID", str(cause["message"]))
    internal = _INTERNAL.match(message)
    if internal is not None:
        message = internal[1] or internal[2]
    elif cause["field"] == "spec.template" and _SHOWN_OBJECT.match(message):
        message = "Invalid value: "
    return {**cause, "message": message}


def _sorted_keys(causes: list[JSONValue]) -> list[JSONValue]:
    """Return the causes with those about the keys of maps, which Go walks in any order, sorted."""
    fields = [str(cause["field"]) for cause in causes if isinstance(cause, dict)]
    if all(field.startswith("data[") for field in fields):
        return sorted(causes, key=json.dumps)
    if all(field.startswith("spec.hard[") for field in fields):
        return [cause for _, cause in sorted(zip(fields, causes, strict=True), key=lambda found: found[0])]
    return causes


def _with_version(obj: JSONObject, before: JSONObject) -> JSONObject:
    metadata, old = obj["metadata"], before["metadata"]
    assert isinstance(metadata, dict)
    assert isinstance(old, dict)
    return {**obj, "metadata": {**metadata, "resourceVersion": old["resourceVersion"]}}


def _full(obj: JSONObject, kind: Kind) -> JSONObject:
    metadata = obj.get("metadata")
    named: JSONObject = {"name": _NAME, **(metadata if isinstance(metadata, dict) else {})}
    return {**obj, "apiVersion": kind.api_version, "kind": kind.kind, "metadata": named}


def _path(kind: Kind) -> str:
    base = f"/apis/{kind.api_version}" if kind.group else f"/api/{kind.api_version}"
    return f"{base}/namespaces/default/{kind.resource}" if kind.namespaced else f"{base}/{kind.resource}"


def _remove(request: Request, path: str) -> None:
    """Remove what is left of a case: finalizers that nobody else takes away included."""
    status, obj = request("GET", f"{path}/{_NAME}", None)
    if status == 404:
        return
    metadata = obj["metadata"]
    assert isinstance(metadata, dict)
    if "namespaces" in path and path.endswith("/v1/namespaces"):
        request("DELETE", f"{path}/{_NAME}", None)
        request("PUT", f"{path}/{_NAME}/finalize", {**obj, "spec": {"finalizers": []}})
        return
    request("DELETE", f"{path}/{_NAME}?gracePeriodSeconds=0", None)
    status, obj = request("GET", f"{path}/{_NAME}", None)
    if status != 404:
        metadata = obj["metadata"]
        assert isinstance(metadata, dict)
        kept = {key: value for key, value in metadata.items() if key != "finalizers"}
        request("PUT", f"{path}/{_NAME}", {**obj, "metadata": kept})


def main(folder: pathlib.Path) -> None:
    """Record the answers of a real server."""
    from tests.real.cluster import RealCluster, find_assets

    assets = find_assets()
    assert assets is not None, "tests/real/build.sh builds what this needs"
    cluster = RealCluster(folder, assets)
    try:
        cluster.start()
        answers = {
            "given": {case: given_outcome(cluster.request, case) for case in GIVEN},
            "refused": {case: refused_outcome(cluster.request, case) for case in REFUSED},
        }
    finally:
        cluster.stop()
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text(_by_line(answers))


def _by_line(answers: Mapping[str, Mapping[str, JSONObject]]) -> str:
    """Return the answers as JSON with a case on a line, so that a change of one shows as one."""
    chapters = []
    for chapter, cases in answers.items():
        lines = [f"{json.dumps(name)}: {json.dumps(case, sort_keys=True)}" for name, case in sorted(cases.items())]
        chapters.append(f"{json.dumps(chapter)}: {{\n" + ",\n".join(lines) + "\n}")
    return "{\n" + ",\n".join(chapters) + "\n}\n"


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
