from __future__ import annotations

import pytest

from kubeprims.controller.selection import select_controllers
from kubeprims.errors import ConfigError
from tests.parity import case

KNOWN = ("job", "node", "token")


@case("CM-2")
@case("LE-EN1")
@pytest.mark.parametrize(
    ("controllers", "selected"),
    [
        ("*", {"job", "node"}),
        ("job", {"job"}),
        ("-job,*", {"node"}),
        ("*,-job", {"node"}),
        ("token,*", {"job", "node", "token"}),
        ("*,token", {"job", "node", "token"}),
        ("job,-job", {"job"}),
        ("-job,job", set()),
        ("", set()),
        (["*", "-node"], {"job"}),
        (" job , token ", {"job", "token"}),
    ],
)
def test_what_mentions_a_controller_first_counts(controllers: str | list[str], selected: set[str]) -> None:
    assert select_controllers(controllers, KNOWN, off_by_default={"token"}) == selected


@pytest.mark.parametrize("controllers", ["jobs", "*,-jobs", "--job", "job,no,-way"])
def test_unknown_names_are_refused_with_those_that_there_are(controllers: str) -> None:
    with pytest.raises(ConfigError, match=r"controllers: no such controller: .*; there are: job, node, token"):
        select_controllers(controllers, KNOWN)
