"""The page on losses says what the signatures do, and its example loads."""

from __future__ import annotations

import inspect
import runpy

from objectwise.config import parse_config
from objectwise.tasks import AffinityTask
from objectwise.tasks.losses import options_of
from tests.conftest import CHECKOUT
from tests.docs.fences import blocks_of

PAGE = CHECKOUT / "docs" / "losses.md"


def test_page_is_what_the_script_makes_of_the_signatures():
    made = runpy.run_path(str(CHECKOUT / "docs" / "make_losses.py"))["page"]()
    assert PAGE.read_text(encoding="utf-8") == made, "run python docs/make_losses.py"


def test_every_option_of_every_loss_can_be_reached_or_follows_from_the_task():
    for kind in AffinityTask([[0, -1]]).losses.values():
        signature = set(inspect.signature(kind.load()).parameters) - {"options"}
        assert signature <= set(options_of(kind.load()))
        assert signature == set(kind.options()) | (signature & {*kind.given, *kind.made})


def test_the_example_loads():
    (block,) = blocks_of(PAGE, "yaml")
    terms = parse_config(block).training.terms
    assert [term.name for term in terms] == ["bce", "malis", "mine"]
    assert terms[1].weight_at(1000, 1) == 0.5
