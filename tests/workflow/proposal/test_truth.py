"""What a truth is taken for."""

from __future__ import annotations

import numpy as np
import pytest

from objectwise.workflow.proposal.survey import Sample
from objectwise.workflow.proposal.truth import look_at
from tests.workflow.tiny import cells


def squares(numbers, *, gap=6):
    """A section with a row of squares of these numbers."""
    section = np.zeros((12, len(numbers) * (6 + gap) + gap), dtype=np.uint16)
    for at, number in enumerate(numbers):
        start = gap + at * (6 + gap)
        section[3:9, start : start + 6] = number
    return section


def one(*sections, follows=None):
    stack = np.stack(sections)
    return Sample(stack, follows or (False,) * (len(stack) - 1))


def test_one_number_is_a_mask():
    found = look_at([one(squares([255, 255]))], name="masks")
    assert (found.kind, found.values) == ("mask", (255,))


def test_zeros_only_say_nothing():
    assert look_at([one(squares([0]))], name="masks").kind == "unseen"


def test_a_number_of_many_pieces_is_a_class():
    found = look_at([one(squares([1, 2, 1, 2, 1]))], name="labels")
    assert found.kind == "classes"
    assert found.because == "each of its 2 numbers has 2.5 pieces in a section"


def test_a_number_of_one_piece_is_an_object():
    assert look_at([one(squares([1, 2, 3])), one(squares([1, 2]))], name="labels").kind == "ids"


def test_equal_numbers_in_every_case_are_classes_unless_the_name_says_ids():
    samples = [one(squares([1, 2, 3])), one(squares([3, 1, 2]))]
    assert look_at(samples, name="labels").kind == "classes"
    assert look_at(samples, name="nuclei").kind == "ids"


def test_many_numbers_are_ids_whatever_the_name():
    assert look_at([one(squares(range(1, 40)))], name="classes").kind == "ids"


def test_dataset_json_knows_better():
    found = look_at([one(squares(range(1, 40)))], name="labelsTr", classes=["background", "a", "b"])
    assert (found.kind, found.values) == ("classes", (1, 2))


@pytest.mark.parametrize(("gap", "touching"), [(0, 1.0), (2, 1.0), (6, 0.0)])
def test_objects_touch_across_a_membrane(gap, touching):
    assert look_at([one(squares([1, 2, 3], gap=gap))], name="ids").touching == touching


def test_cells_cover_the_image():
    _, labels = cells((64, 64), seed=0)
    assert look_at([one(labels)], name="labels").covered > 0.5


def test_ids_go_on_in_the_next_section_or_do_not():
    same, other = squares([1, 2, 3, 4]), squares([5, 6, 7, 8])
    assert look_at([one(same, same, follows=(True,))], name="ids").continuing == 1
    assert look_at([one(same, other, follows=(True,))], name="ids").continuing == 0
    assert look_at([one(same, other)], name="ids").continuing is None
