"""What the server puts into objects of built-in kinds where a client leaves something out.

Pure, and declarative: a table for each structure that has defaults. Admission's additions are among them, as far as a
server without special flags makes them; what depends on the object being new is in ``strategy``.

Source:
    kubernetes pkg/apis/*/v1/defaults.go; plugin/pkg/admission/defaulttolerationseconds and priority.
"""

from __future__ import annotations

from collections.abc import Mapping

from kubeprims.meta import JSONObject
from kubeprims.testing.apiserver.canonical import canonical
from kubeprims.testing.apiserver.defaulting import Defaults, filled
from kubeprims.testing.apiserver.defaults_core import CORE_DEFAULTS
from kubeprims.testing.apiserver.defaults_groups import GROUP_DEFAULTS
from kubeprims.testing.apiserver.kinds import Kind
from kubeprims.testing.apiserver.stored_forms import storage_kind

_DEFAULTS: Mapping[str, Defaults] = {**CORE_DEFAULTS, **GROUP_DEFAULTS}


def with_kind_defaults(obj: JSONObject, kind: Kind) -> JSONObject:
    """Return an object of a built-in kind, in the form in which it is kept, complete and in its canonical form.

    Args:
        obj: The object; left alone, but parts of it may be shared with what is returned.
        kind: Its kind; an object of a custom one is returned as it is.

    Raises:
        BadRequest: A value is of another type than its field.
    """
    if kind.custom:
        return obj
    kept = storage_kind(kind)
    obj = canonical(obj, kept)
    defaults = _DEFAULTS.get(kept.group_resource)
    return obj if defaults is None else filled(obj, defaults)
