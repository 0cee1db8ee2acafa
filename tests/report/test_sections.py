"""A section's affinities and an error's crop."""

from __future__ import annotations

import numpy as np

from objectwise.report.errors_found import find_errors
from objectwise.report.sections import Segmented, error_cards, in_plane_affinities, section_view
from tests.report.made_up import volume


def test_affinity_picture_takes_the_lowest_nearest_edge_in_the_plane() -> None:
    affinities = np.full((4, 3, 48, 48), 0.9, np.float32)
    affinities[0] = 0.1  # across sections
    affinities[3] = 0.2  # nine voxels away
    affinities[1, :, 5, 5] = 0.3
    affinities[2, :, :, 0] = 0.0  # leaves the volume: never read
    offsets = np.array([[-1, 0, 0], [0, -1, 0], [0, 0, -1], [0, 0, -9]])
    shown = in_plane_affinities(volume(affinities=affinities, offsets=offsets), 1)
    assert shown is not None
    assert shown[5, 5] == np.float32(0.3)
    assert shown[0, 0] == 1.0
    assert np.count_nonzero(shown == np.float32(0.9)) == 48 * 48 - 2


def test_affinity_picture_is_the_mean_without_offsets() -> None:
    affinities = np.stack([np.full((3, 48, 48), value, np.float32) for value in (0.2, 0.4)])
    shown = in_plane_affinities(volume(affinities=affinities, offsets=None), 0)
    np.testing.assert_allclose(shown, 0.3, rtol=1e-6)


def test_cards_and_pins_carry_the_same_numbers() -> None:
    content = volume()
    assert content.truth is not None
    errors = find_errors(truth=content.truth, segmentation=content.segmentation)
    one = Segmented("run", "0-0", content, errors, linked_sections=True)
    cards = error_cards(one)
    marked = section_view([one], 0, side=100, pins=True).runs[0].errors
    assert marked is not None
    assert {(pin.target, pin.kind) for pin in marked.pins} == {(card.anchor, card.kind) for card in cards}
    assert all(0 <= pin.left <= 100 and 0 <= pin.top <= 100 for pin in marked.pins)


def test_pictures_keep_the_physical_aspect() -> None:
    content = volume(voxel_size=(30.0, 6.0, 12.0), truth=None, scores={}, section_scores=[])
    view = section_view(
        [Segmented("run", "0-0", content, None, linked_sections=True)], 0, side=96, pins=False
    )
    assert (view.raw.width, view.raw.height, view.raw.aspect) == (96, 96, 2.0)
