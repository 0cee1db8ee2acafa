"""The example with cached maps learns."""

from __future__ import annotations

import re
import runpy

import pytest

from tests.conftest import CHECKOUT

EXAMPLE = CHECKOUT / "examples" / "region_wise_with_cached_maps.py"


@pytest.mark.slow
def test_example_finds_the_lesions_of_an_image_it_has_not_seen(capsys):
    made = runpy.run_path(str(EXAMPLE))
    dice = re.search(r"not seen: ([0-9.]+)", capsys.readouterr().out)
    assert dice is not None
    assert float(dice[1]) > 0.8
    assert made["loss"].position == made["EPOCHS"]
