"""The page on networks says what the signatures do, and its example loads."""

from __future__ import annotations

import runpy

from objectwise.config import parse_config
from objectwise.networks.registry import build
from tests.conftest import CHECKOUT
from tests.docs.fences import blocks_of

PAGE = CHECKOUT / "docs" / "networks.md"


def test_page_is_what_the_script_makes_of_the_signatures():
    made = runpy.run_path(str(CHECKOUT / "docs" / "make_networks.py"))["page"]()
    assert PAGE.read_text(encoding="utf-8") == made, "run python docs/make_networks.py"


def test_the_example_loads():
    (whole,) = blocks_of(PAGE, "yaml")
    config = parse_config(whole)
    network = build(
        config.network.place,
        dimensions=3,
        in_channels=1,
        out_channels=3,
        options=config.network.options,
        weights=False,
    )
    assert network.shape_of_output(config.training.patch_shape) == (56, 56, 56)
