"""The example with cached maps is as quick as it says, and learns."""

from __future__ import annotations

import re
import runpy
import time

import pytest

from tests.conftest import CHECKOUT

EXAMPLE = CHECKOUT / "examples" / "region_wise_with_cached_maps.py"


@pytest.mark.slow
def test_example_finds_the_lesions_of_an_image_it_has_not_seen_in_under_a_minute(capsys):
    start = time.process_time()
    made = runpy.run_path(str(EXAMPLE))
    assert time.process_time() - start < 60  # of processor time: other work on the machine does not count
    dice = re.search(r"not seen: ([0-9.]+)", capsys.readouterr().out)
    assert dice is not None
    assert float(dice[1]) > 0.8
    assert made["loss"].position == made["EPOCHS"]
