"""The page on networks says what the signatures do, and its examples load."""

from __future__ import annotations

import runpy

import yaml

from objectwise.config import parse_config
from objectwise.config.network import NetworkConfig
from objectwise.networks.registry import build
from tests.conftest import CHECKOUT
from tests.docs.fences import blocks_of

PAGE = CHECKOUT / "docs" / "networks.md"


def test_page_is_what_the_script_makes_of_the_signatures():
    made = runpy.run_path(str(CHECKOUT / "docs" / "make_networks.py"))["page"]()
    assert PAGE.read_text(encoding="utf-8") == made, "run python docs/make_networks.py"


def test_the_examples_load():
    whole, own = blocks_of(PAGE, "yaml")
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
    assert NetworkConfig(**yaml.safe_load(own)["network"]).place == "my_package.networks:Mine"
