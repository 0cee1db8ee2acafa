"""Tables align, and JSON is valid whatever a score is."""

from __future__ import annotations

import json
import math
from pathlib import Path

from objectwise.cli.text import as_json, score_table


def test_table_aligns_numbers_to_the_right():
    rows = {
        "ac4": {"adapted_rand_error": 0.12345, "voi_split": 11.0, "voi_merge": None, "cremi_score": math.nan}
    }
    assert score_table(rows, first="volume").splitlines() == [
        "volume  adapted_rand_error  voi_split  voi_merge  cremi_score",
        "ac4                 0.1235    11.0000          -            -",
    ]


def test_json_has_no_nan_and_names_paths():
    content = {"a": math.nan, "b": (1, Path("x")), "c": True}
    assert json.loads(as_json(content)) == {"a": None, "b": [1, "x"], "c": True}
