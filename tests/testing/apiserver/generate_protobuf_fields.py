"""Makes ``protobuf_fields.txt`` from the Go types of Kubernetes.

``python -m tests.testing.apiserver.generate_protobuf_fields`` prints it; it needs the modules k8s.io/api and
k8s.io/apimachinery in the Go module cache. Go's struct tags have both the number of a field on the wire and its name in
JSON, which the protocol's own definition has not.
"""

from __future__ import annotations

import pathlib
import re
import sys
from collections.abc import Mapping

from kubeprims.testing.apiserver.kinds import BUILT_IN_KINDS

VERSION = "v0.37.2"
MODULES = pathlib.Path.home() / "go" / "pkg" / "mod" / "k8s.io"
SOURCES: Mapping[str, str] = {
    "core": f"api@{VERSION}/core/v1/types.go",
    "apps": f"api@{VERSION}/apps/v1/types.go",
    "coordination": f"api@{VERSION}/coordination/v1/types.go",
    "rbac": f"api@{VERSION}/rbac/v1/types.go",
    "events": f"api@{VERSION}/events/v1/types.go",
    "batch": f"api@{VERSION}/batch/v1/types.go",
    "networking": f"api@{VERSION}/networking/v1/types.go",
    "policy": f"api@{VERSION}/policy/v1/types.go",
    "storage": f"api@{VERSION}/storage/v1/types.go",
    "scheduling": f"api@{VERSION}/scheduling/v1/types.go",
    "schedulingv1alpha3": f"api@{VERSION}/scheduling/v1alpha3/types.go",
    "node": f"api@{VERSION}/node/v1/types.go",
    "discovery": f"api@{VERSION}/discovery/v1/types.go",
    "autoscaling1": f"api@{VERSION}/autoscaling/v1/types.go",
    "autoscaling2": f"api@{VERSION}/autoscaling/v2/types.go",
    "meta": f"apimachinery@{VERSION}/pkg/apis/meta/v1/types.go",
}
PACKAGE_BY_API_VERSION = {
    "v1": "core",
    "apps/v1": "apps",
    "coordination.k8s.io/v1": "coordination",
    "rbac.authorization.k8s.io/v1": "rbac",
    "events.k8s.io/v1": "events",
    "batch/v1": "batch",
    "networking.k8s.io/v1": "networking",
    "policy/v1": "policy",
    "storage.k8s.io/v1": "storage",
    "scheduling.k8s.io/v1": "scheduling",
    "node.k8s.io/v1": "node",
    "discovery.k8s.io/v1": "discovery",
    "autoscaling/v1": "autoscaling1",
    "autoscaling/v2": "autoscaling2",
}
PACKAGE_BY_IMPORT = {"v1": "core", "apiv1": "core", "corev1": "core", "metav1": "meta"}
MARKS = {"omitempty": "?", "omitzero": "!"}
SPECIAL = {
    "resource.Quantity": "quantity",
    "intstr.IntOrString": "int-or-string",
    "runtime.RawExtension": "json",
    "meta.FieldsV1": "json",
    "meta.Time": "time",
    "meta.MicroTime": "micro-time",
    "types.UID": "str",
    "types.NodeName": "str",
}

_STRUCT = re.compile(r"^type (\w+) struct \{\n(.*?)^\}", re.MULTILINE | re.DOTALL)
_ALIAS = re.compile(r"^type (\w+) (string|\[\]byte|map\[\S+)$", re.MULTILINE)
_FIELD = re.compile(r'^\s+(?:(\w+)\s+)?([\w.*\[\]]+)\s+`json:"([^"]*)"[^`]*protobuf:"(\w+),(\d+),')


def generate() -> str:
    """Return the text: a line for each message that an object of a built-in kind may hold."""
    texts = {package: (MODULES / path).read_text() for package, path in SOURCES.items()}
    aliases = {f"{package}.{name}": of for package, text in texts.items() for name, of in _ALIAS.findall(text)}
    structs = {f"{package}.{name}": body for package, text in texts.items() for name, body in _STRUCT.findall(text)}
    wanted = [
        f"{PACKAGE_BY_API_VERSION[kind.api_version]}.{kind.kind}"
        for kind in BUILT_IN_KINDS
        if kind.api_version in PACKAGE_BY_API_VERSION
    ]
    wanted += ["core.Binding", "meta.DeleteOptions", "policy.Eviction", "autoscaling1.Scale"]
    lines: dict[str, str] = {}
    while wanted:
        message = wanted.pop()
        if message in lines:
            continue
        fields, below = _fields(message, structs[message], aliases)
        lines[message] = " ".join([message, *fields])
        wanted += below
    return "".join(f"{lines[message]}\n" for message in sorted(lines))


def _fields(message: str, body: str, aliases: Mapping[str, str]) -> tuple[list[str], list[str]]:
    package = message.partition(".")[0]
    fields: list[str] = []
    below: list[str] = []
    for line in body.splitlines():
        match = _FIELD.match(line)
        if match is None:
            continue
        _, go_type, json_tag, wire, number = match.groups()
        json_name, *options = json_tag.split(",")
        code, of = _type_code(package, go_type, wire, aliases)
        below += of
        marks = "".join(mark for option, mark in MARKS.items() if option in options)
        fields.append(f"{number}:{json_name}:{code}{'*' if go_type.startswith('*') else ''}{marks}")
    return fields, below


def _type_code(package: str, go_type: str, wire: str, aliases: Mapping[str, str]) -> tuple[str, list[str]]:
    go_type = go_type.removeprefix("*")
    if go_type == "[]byte":
        return "bytes", []
    if go_type.startswith("[]"):
        code, below = _type_code(package, go_type[2:], wire, aliases)
        return f"[]{code}", below
    if go_type.startswith("map["):
        code, below = _type_code(package, go_type.partition("]")[2], "bytes", aliases)
        return f"{{}}{code}", below
    if go_type == "bool":
        return "bool", []
    if go_type == "string":
        return "str", []
    if go_type in {"int32", "int64"}:
        return go_type, []
    prefix, _, name = go_type.rpartition(".")
    qualified = f"{PACKAGE_BY_IMPORT.get(prefix, prefix or package)}.{name}"
    if qualified in SPECIAL:
        return SPECIAL[qualified], []
    if qualified in aliases:
        return _type_code(qualified.partition(".")[0], aliases[qualified], "bytes", aliases)
    if wire == "varint":  # a type of its own over a number
        return "int32", []
    return qualified, [qualified]


if __name__ == "__main__":
    sys.stdout.write(generate())
