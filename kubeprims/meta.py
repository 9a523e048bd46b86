"""Names, keys, versions and selectors: the field's small values, parsed once at the edge.

Everything here is pure and immutable, so it is safe in any thread.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NewType, Protocol

from kubeprims.errors import InvalidArgument

JSONValue = None | bool | int | float | str | list["JSONValue"] | dict[str, "JSONValue"]
"""What JSON can say, as Python values."""

JSONObject = dict[str, JSONValue]

ResourceVersion = NewType("ResourceVersion", str)
"""A resourceVersion: opaque; compare with :func:`compare_resource_versions` and nothing else."""

NEVER = ResourceVersion("")
"""No version: nothing was listed yet; on the wire, the parameter is left out."""

_ORDERED_VERSION = re.compile(r"[1-9][0-9]*")
_GROUP = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")
_VERSION = re.compile(r"v[0-9]+((alpha|beta)[0-9]+)?")
_RESOURCE = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_MANY = re.compile(r"[/%\x00-\x1f\x7f]")


class Named(Protocol):
    """Anything with a name and a namespace."""

    @property
    def name(self) -> str:
        """The object's name."""
        ...

    @property
    def namespace(self) -> str:
        """The object's namespace, empty for a cluster-scoped object."""
        ...


class ObjectKey(str):
    """The key of an object: ``namespace/name``, or ``name`` for a cluster-scoped one.

    A ``str`` with two properties, so it compares with and hashes as the text. What is kept for long, as in a cache, is
    the bare ``str``: the cycle collector tracks instances of any class that is not built in.

    Source:
        client-go tools/cache/store.go, ``MetaNamespaceKeyFunc`` and ``SplitMetaNamespaceKey``.
        Differs: an empty name, and a key of more than two parts, are refused where the key is made.
    """

    __slots__ = ()

    @classmethod
    def make(cls, namespace: str, name: str) -> ObjectKey:
        """Return the key of ``name`` in ``namespace`` (empty: cluster-scoped).

        Raises:
            InvalidArgument: The name is empty, or one of the two holds a slash.
        """
        if not name or "/" in name or "/" in namespace:
            message = f"an object key needs a name, and neither part may hold a slash: {namespace!r}, {name!r}"
            raise InvalidArgument(message)
        return cls(f"{namespace}/{name}" if namespace else name)

    @classmethod
    def of(cls, obj: Named) -> ObjectKey:
        """Return the key of an object.

        Raises:
            InvalidArgument: The object has no name.
        """
        return cls.make(obj.namespace, obj.name)

    @classmethod
    def parse(cls, text: str) -> ObjectKey:
        """Return the key that a text spells.

        Raises:
            InvalidArgument: The text is empty, has an empty part, or more than one slash.
        """
        namespace, slash, name = text.rpartition("/")
        if not name or "/" in namespace or (slash and not namespace):
            message = f'a key is "namespace/name" or "name", not {text!r}'
            raise InvalidArgument(message)
        return cls(text)

    @property
    def namespace(self) -> str:
        """The namespace; empty for a cluster-scoped object."""
        return self.rpartition("/")[0]

    @property
    def name(self) -> str:
        """The name."""
        return self.rpartition("/")[2]


@dataclass(frozen=True, slots=True, order=True)
class GroupVersionKind:
    """An API group, version and kind, such as ``apps``, ``v1``, ``Deployment``."""

    group: str
    version: str
    kind: str

    @classmethod
    def of(cls, api_version: str, kind: str) -> GroupVersionKind:
        """Return the value for an object's ``apiVersion`` and ``kind``."""
        group, _, version = api_version.rpartition("/")
        return cls(group, version, kind)

    @property
    def api_version(self) -> str:
        """``group/version``, or ``version`` for the core group."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def __str__(self) -> str:
        return f"{self.api_version} {self.kind}"


@dataclass(frozen=True, slots=True, order=True)
class GroupVersionResource:
    """An API group, version and resource (the plural, lower-case name in URLs)."""

    group: str
    version: str
    resource: str

    @classmethod
    def parse(cls, text: str) -> GroupVersionResource:
        """Return the value of ``v1/pods``, ``apps/v1/deployments`` or ``example.com/v1/widgets``.

        Raises:
            InvalidArgument: The text is of another form.
        """
        parts = text.split("/")
        match parts:
            case [version, resource]:
                group = ""
            case [group, version, resource] if _GROUP.fullmatch(group):
                pass
            case _:
                raise InvalidArgument(_gvr_rule(text))
        if not _VERSION.fullmatch(version) or not _RESOURCE.fullmatch(resource):
            raise InvalidArgument(_gvr_rule(text))
        return cls(group, version, resource)

    @property
    def api_version(self) -> str:
        """``group/version``, or ``version`` for the core group."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def base_path(self) -> str:
        """The URL path of the group and version: ``/api/v1``, ``/apis/apps/v1``."""
        return f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"

    def __str__(self) -> str:
        return f"{self.api_version}/{self.resource}"


def _gvr_rule(text: str) -> str:
    return f'a resource is "version/resource" or "group/version/resource", such as apps/v1/deployments, not {text!r}'


def compare_resource_versions(a: str, b: str) -> int | None:
    """Order two versions of one resource: negative, zero or positive as ``a`` is older, equal or newer.

    None means that they cannot be ordered: one of them is not a whole number without leading zeros, or is ``0``.

    Source:
        KEP-5504 (Kubernetes 1.35): compare lengths, then texts.
    """
    if not _ORDERED_VERSION.fullmatch(a) or not _ORDERED_VERSION.fullmatch(b):
        return None
    if len(a) != len(b):
        return -1 if len(a) < len(b) else 1
    return (a > b) - (a < b)


def check_path_segment(value: str, *, what: str) -> str:
    """Return ``value`` if it may stand in a URL path as one segment.

    Raises:
        InvalidArgument: It is empty, ``.`` or ``..``, or holds a slash, a percent sign or a control character.
    """
    if value in {"", ".", ".."} or _MANY.search(value):
        message = f'{what} may not be empty, "." or "..", or hold "/", "%" or control characters: {value!r}'
        raise InvalidArgument(message)
    return value


class Selector(Protocol):
    """Decides by labels."""

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Return whether an object with these labels is selected."""
        ...
