from __future__ import annotations

import pytest

from kubeprims.errors import NotAcceptable
from kubeprims.testing.apiserver.accept import OBJECT, Form, Representation, negotiate

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], OBJECT),
        ([""], OBJECT),
        (["*/*"], OBJECT),
        ([TABLE], Representation(Form.TABLE)),
        ([TABLE, "application/json"], Representation(Form.TABLE)),
        ([f"{TABLE};q=0.5, application/json"], OBJECT),
        ([f"{TABLE};q=0,application/json;q=0.1"], OBJECT),
        ([f"{TABLE};q=oops"], Representation(Form.TABLE)),
        ([f"{TABLE};q=7"], Representation(Form.TABLE)),
        (["application/vnd.kubernetes.protobuf,application/json"], OBJECT),
        (
            ["application/json;as=PartialObjectMetadata;v=v1beta1;g=meta.k8s.io"],
            Representation(Form.METADATA, "v1beta1"),
        ),
    ],
)
def test_the_best_known_form_is_taken(values: list[str], expected: Representation) -> None:
    assert negotiate(values) == expected


@pytest.mark.parametrize(
    "value",
    ["text/html", "application/json;as=Chair;v=v1;g=meta.k8s.io", "application/json;as=Table;v=v2;g=meta.k8s.io"],
)
def test_what_is_unknown_is_refused(value: str) -> None:
    with pytest.raises(NotAcceptable):
        negotiate([value])


def test_kinds_without_tables_are_shown_as_they_are() -> None:
    assert negotiate([TABLE, "application/json"], has_tables=False) == OBJECT
