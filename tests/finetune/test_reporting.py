"""Numbers and texts as a card shows them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetune.reporting import plain, wilson


@given(text=st.text(max_size=60))
def test_no_text_breaks_out_of_its_cell(text: str) -> None:
    shown = plain(text)
    assert len(shown.splitlines()) <= 1
    for place, character in enumerate(shown):
        if character in "|[]<>`*":
            backslashes = len(shown[:place]) - len(shown[:place].rstrip("\\"))
            assert backslashes % 2 == 1


@given(count=st.integers(1, 1000), share=st.floats(0, 1))
def test_wilsons_interval_holds_the_share_and_solves_its_equation(count: int, share: float) -> None:
    passed = round(share * count)
    low, high = wilson(passed, count)
    assert 0 <= low <= passed / count + 1e-9
    assert passed / count - 1e-9 <= high <= 1
    for end in (low, high):
        # The ends are the shares from which the observed one is 1.96 standard deviations away.
        assert abs(passed / count - end) == pytest.approx(1.959964 * (end * (1 - end) / count) ** 0.5, abs=1e-6)
