from __future__ import annotations

import pytest

from kubeprims.errors import ConfigError
from kubeprims.http1 import Limits


@pytest.mark.parametrize(
    ("field", "lowest"),
    [
        ("head_bytes_max", 1),
        ("header_count_max", 1),
        ("body_bytes_max", 0),
        ("chunk_line_bytes_max", 20),
        ("chunk_extension_bytes_max", 0),
        ("trailer_bytes_max", 4),
    ],
)
def test_a_limit_that_lets_nothing_through_is_refused(field: str, lowest: int) -> None:
    assert getattr(Limits(**{field: lowest}), field) == lowest
    with pytest.raises(ConfigError, match="must be at least") as caught:
        Limits(**{field: lowest - 1})
    assert caught.value.field == field


def test_a_body_may_be_unbounded() -> None:
    assert Limits(body_bytes_max=None).body_bytes_max is None
