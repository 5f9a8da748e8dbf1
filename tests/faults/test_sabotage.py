"""The programme notices what it is there for: some of `sabotage.py`; all of it in full."""

from __future__ import annotations

import pytest

from tests.faults.sabotage import ROOT, SABOTAGE, SAMPLE, Sabotage, noticed
from tests.faults.size import FULL

pytestmark = pytest.mark.timeout(600)


@pytest.mark.parametrize("sabotage", SABOTAGE, ids=lambda each: each.name)
def test_each_line_applies_to_the_code_as_it_is(sabotage: Sabotage) -> None:
    assert (ROOT / sabotage.file).read_text().count(sabotage.old) == 1


@pytest.mark.parametrize(
    "sabotage", [each for each in SABOTAGE if FULL or each.name in SAMPLE], ids=lambda each: each.name
)
def test_the_programme_notices_that_a_safeguard_is_missing(sabotage: Sabotage) -> None:
    assert noticed(sabotage)
