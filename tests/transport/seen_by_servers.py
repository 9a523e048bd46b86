"""An identity of everything that is easily garbled on its way, and what a server is to make of it."""

from __future__ import annotations

from kubeprims.transport.identity import Identity

GROUPS = ("a,b", *(f"group-{number}" for number in range(50)), "Größe")

IDENTITY = Identity(
    user="josé 张三 🦊e\u0301",
    uid="7",
    groups=GROUPS,
    extra=[("a%20b", ["é", "x, y"]), ("example.com/ア", ["v"]), ("Scopes", ["w"])],
    keep_capitals=True,
)

USER_INFO = {
    "username": "josé 张三 🦊e\u0301",
    "uid": "7",
    "groups": [*GROUPS, "system:authenticated"],
    "extra": {"a%20b": ["é", "x, y"], "example.com/ア": ["v"], "Scopes": ["w"]},
}
