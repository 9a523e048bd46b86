from __future__ import annotations

from kubeprims.objects.storage import PlainStorage
from tests.cache.records import make_record


def test_plain_storage_returns_the_record_itself() -> None:
    record = make_record("prod/web", 7)
    assert PlainStorage().pack(record) is record
