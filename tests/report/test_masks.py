"""The page on masks says what was found, missed and invented, loads nothing, and survives what is missing."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from objectwise.errors import ArgumentError, DtypeError, ShapeError
from objectwise.report import MaskRun, render_mask_report, write_mask_report
from objectwise.report.mask_sections import Place, inner_pixels, worst_sections
from objectwise.report.objects_found import find_objects
from tests.report.made_up import Page
from tests.report.made_up_masks import class_row, mask_run, mask_volume, segmentation, truth


def render(*runs: MaskRun, title: str = "A report") -> Page:
    return Page(render_mask_report(runs, title=title))


def words_of(page: Page) -> str:
    return " ".join(page.text.split())


def pins_of(page: Page) -> list[str]:
    return [value for tag, name, value in page.attributes if name == "class" and value.startswith("pin ")]


def test_page_says_first_what_was_found_missed_and_invented() -> None:
    page = render(mask_run())
    assert "F1 0.286 on case: 1 of 4 objects found, 3 missed, 2 false." in page.text
    assert "The largest missed one has 64 voxels, the largest false one has 144 voxels." in words_of(page)


def test_page_lists_the_errors_largest_first_with_their_ids_and_reasons() -> None:
    text = words_of(render(mask_run()))
    sentences = [
        "Segment 12 . Joins objects 2 and 3.",
        "Object 2 . Joined in segment 12, with object 3.",
        "Object 3 . Joined in segment 12, with object 2.",
        "Object 4 . Nothing was predicted here.",
        "Segment 13 . There is no object here.",
    ]
    places = [text.index(sentence) for sentence in sentences]
    assert places == sorted(places)
    assert "All objects, largest first" in text


def test_ids_stand_on_the_picture_and_lead_to_the_errors() -> None:
    page = render(mask_run())
    # Section 0: objects 1, 2, 3 and segment 12; the id of 2 or 3 may give way to that of 12 upon it.
    kinds = pins_of(page)
    assert "pin false" in kinds
    assert "pin missed" in kinds
    assert "pin found" in kinds
    links = [value[1:] for _, name, value in page.attributes if name == "href" and "error-" in value]
    assert links
    assert set(links) <= set(page.ids)


def test_no_id_stands_on_another() -> None:
    true = np.zeros((1, 60, 60), np.int64)
    true[0, ::3, ::3] = np.arange(1, 401).reshape(20, 20)
    page = render(
        mask_run(volumes=[mask_volume(truth=true, segmentation=true, raw=true, probabilities=None)])
    )
    places = [
        tuple(float(n) for n in re.findall(r"([\d.]+)%", value))
        for tag, name, value in page.attributes
        if tag == "span" and name == "style" and value.startswith("left")
    ]
    assert 20 < len(places) < 400
    for index, (left, top) in enumerate(places):
        assert all(abs(left - x) > 2 or abs(top - y) > 2 for x, y in places[:index])


def test_page_has_a_picture_of_every_kind_with_alternative_text() -> None:
    page = render(mask_run())
    alts = [str(image["alt"]) for image in page.images]
    for start in (
        "Raw image of section",
        "True objects of cell, section",
        "Predicted objects of cell, section",
        "Probability of cell, section",
        "1 found, 2 missed, 1 false in cell, section 0 of case by instance",
        "Contours of truth and prediction, strong where they are further apart than 1",
        "The missed object at z 0",
        "The false segment at z 0",
    ):
        assert any(alt.startswith(start) for alt in alts), start
    assert all(alts)
    assert all(str(image["src"]).startswith("data:image/png;base64,") for image in page.images)


def test_page_tabulates_classes_sizes_and_the_sweep() -> None:
    page = render(mask_run(tolerance=2.5))
    text = words_of(page)
    for name in ("Precision", "Recall", "Dice", "Surface Dice", "Hausdorff 95 %"):
        assert name in text
    assert "The tolerance of the surface Dice is 2.5" in text
    assert "Strong where further than 2.5 from the other one" in text
    assert "fewer than 40 voxels 0 1 1" in text
    assert "40 to 199 voxels 0 2 1" in text
    assert "200 voxels or more 1 0 0 1.000 1.000 1.000" in text
    figures = [value for tag, name, value in page.attributes if (tag, name) == ("svg", "aria-label")]
    assert sorted(figures) == ["Score over threshold", "Training curve: dice", "Training curve: loss"]
    assert "instance uses 0.5" in text


def test_several_classes_and_structures_stand_one_after_the_other() -> None:
    true = np.stack([truth(), np.roll(truth(), 9, axis=2)])
    predicted = np.stack([segmentation(), np.zeros_like(segmentation())])
    volume = mask_volume(
        truth=true,
        segmentation=predicted,
        probabilities=lambda z: np.full((3, 40, 60), z / 9, np.float32),
        class_scores={"cell": class_row(true[0], predicted[0]), "synapse": class_row(true[1], predicted[1])},
    )
    page = render(
        mask_run(classes=["cell", "synapse"], channels=["background", "cell", "synapse"], volumes=[volume])
    )
    text = words_of(page)
    assert "1 of 8 objects found, 7 missed, 2 false." in text
    assert "By size: cell" in text
    assert "By size: synapse" in text
    assert text.index("Largest errors: cell in case") < text.index("Largest errors: synapse in case")
    alts = [str(image["alt"]) for image in page.images]
    assert any(alt.startswith("Probability of synapse") for alt in alts)
    assert len(page.ids) == len(set(page.ids))


def test_images_of_two_dimensions_have_objects_of_their_own() -> None:
    row = class_row(truth(), segmentation(), 2)
    volume = mask_volume(class_scores={"cell": row}, scores={"f1": row["f1"]})
    text = words_of(render(mask_run(dimensions=2, volumes=[volume])))
    assert "3 of 6 objects found, 3 missed, 2 false." in text
    assert "each section by itself" in text


def test_unknown_voxels_are_neither_found_nor_missed_nor_false() -> None:
    ignore = np.zeros((3, 40, 60), bool)
    ignore[:, 28:] = True  # object 4
    ignore[:, :, 48:] = True  # segment 13
    text = words_of(render(mask_run(volumes=[mask_volume(ignore=ignore)])))
    assert "1 of 3 objects found, 2 missed, 1 false." in text
    assert "Unknown : not scored, dark" in text
    assert "Unknown" not in words_of(render(mask_run()))


def test_page_compares_runs_and_marks_the_best() -> None:
    row = class_row(truth(), truth().astype(np.int64))
    perfect = mask_volume(
        segmentation=truth(), scores={"f1": row["f1"]}, class_scores={"cell": row}, learnt_from="It knew."
    )
    page = render(
        mask_run("dice"),
        mask_run("instance", volumes=[perfect], config_yaml="loss:\n- name: other\nseed: 0\n"),
    )
    text = words_of(page)
    assert "instance wins: F1 1.000 against 0.286 for dice, on case (training data)." in text
    assert "Training data, instance : It knew." in text
    assert "Nothing was missed, nothing is false." in text
    best = [
        value for tag, name, value in page.attributes if (tag, name) == ("td", "class") and "best" in value
    ]
    assert len(best) > 3
    assert "Hausdorff 95 %" in text
    assert any("by dice" in str(image["alt"]) for image in page.images)
    assert (
        len([value for _, name, value in page.attributes if name == "class" and value == "line differs"]) == 2
    )


def test_a_distance_is_best_when_it_is_lowest() -> None:
    far = mask_volume(scores={"hausdorff95": 9.0}, class_scores={"cell": {"hausdorff95": 9.0}})
    near = mask_volume(scores={"hausdorff95": 2.0}, class_scores={"cell": {"hausdorff95": 2.0}})
    page = render(
        mask_run("far", score="hausdorff95", volumes=[far]),
        mask_run("near", score="hausdorff95", volumes=[near]),
    )
    assert "near wins: Hausdorff 95 % 2.000 against 9.000 for far, on case." in page.text
    assert "2.000 best" in words_of(page)


def test_many_volumes_are_shown_small_and_the_worst_in_full() -> None:
    row = class_row(truth(1), truth(1).astype(np.int64))
    good = [
        mask_volume(f"good{n}", 1, segmentation=truth(1), scores={"f1": 1.0}, class_scores={"cell": row})
        for n in range(7)
    ]
    page = render(mask_run(volumes=[*good, mask_volume("bad", 1)]))
    text = words_of(page)
    assert "in the mean of 8 volumes: 29 of 32 objects found, 3 missed, 2 false." in text
    full = [ident for ident in page.ids if ident.startswith("volume-")]
    assert full[0] == "volume-7"
    assert len(full) == 6
    assert "All volumes, most errors first" in text
    assert "Scores of every volume" in text
    assert sum("found, 0 missed" in str(image["alt"]) for image in page.images) >= 7


def test_photographs_are_shown_in_colour_and_other_channels_one_by_one() -> None:
    rng = np.random.default_rng(0)
    photograph = rng.integers(0, 255, (3, 3, 40, 60)).astype(np.uint8)
    alts = [str(image["alt"]) for image in render(mask_run(volumes=[mask_volume(raw=photograph)])).images]
    assert "Raw image of section 0 of case" in alts
    alts = [
        str(i["alt"])
        for i in render(mask_run(volumes=[mask_volume(raw=photograph[:2].astype(np.float32))])).images
    ]
    assert {"Raw image of section 0 of case, channel 0", "Raw image of section 0 of case, channel 1"} <= set(
        alts
    )


def test_page_loads_nothing_from_elsewhere() -> None:
    text = render_mask_report([mask_run()], title="t")
    page = Page(text)
    assert re.search(r"https?://", text) is None
    assert not {"script", "link", "iframe", "object", "embed"} & set(page.tags)
    for _, name, value in page.attributes:
        if name in ("src", "href", "xlink:href"):
            assert value.startswith(("data:image/png;base64,", "#")), value
        assert not name.startswith("on")
    assert all(target.startswith("#") for target in re.findall(r"url\(([^)]*)\)", text))


def test_page_ids_are_unique_and_every_link_has_its_target() -> None:
    page = render(mask_run("first", volumes=[mask_volume("a"), mask_volume("b")]), mask_run("second"))
    assert len(page.ids) == len(set(page.ids))
    links = {value[1:] for _, name, value in page.attributes if name == "href"}
    assert links <= set(page.ids)


def test_page_escapes_every_string_of_the_user() -> None:
    evil = '<script>alert("1")</script>$x_&\'<!--'
    volume = mask_volume(
        evil,
        scores={evil: 0.5},
        class_scores={evil: class_row(truth(), segmentation()) | {evil: 0.25}},
        learnt_from=evil,
    )
    run = mask_run(
        evil,
        classes=[evil],
        score=evil,
        volumes=[volume],
        config_yaml=f"a: {evil}",
        curves={"step": [1, 2], evil: [1, 2]},
        sweep=[{"threshold": 0.5, evil: 0.4}],
    )
    text = render_mask_report([run, mask_run("other" + evil, volumes=[mask_volume(evil)])], title=evil)
    assert "script" not in Page(text).tags
    assert "<script" not in text
    assert Page(text).text.count("<script>") > 5


def test_page_without_truth_shows_pictures_and_no_scores() -> None:
    page = render(mask_run(volumes=[mask_volume(truth=None, scores={}, class_scores={})]))
    assert "There is no truth to compare with: pictures only." in page.text
    assert "table" not in page.tags
    alts = [str(image["alt"]) for image in page.images]
    assert not any("missed" in alt for alt in alts)
    assert any(alt.startswith("Predicted objects of cell") for alt in alts)


def test_page_without_scores_still_counts_objects() -> None:
    text = words_of(
        render(mask_run(volumes=[mask_volume(scores={}, class_scores={})], sweep=[], chosen_threshold=None))
    )
    assert "1 of 4 objects found, 3 missed, 2 false." in text
    assert "By size" not in text
    assert "circled" not in text


def test_page_of_a_volume_without_objects_says_so() -> None:
    nothing = np.zeros((2, 20, 30), np.int64)
    volume = mask_volume(
        raw=nothing, truth=nothing, segmentation=nothing, probabilities=None, scores={}, class_scores={}
    )
    text = words_of(render(mask_run(volumes=[volume])))
    assert "No true objects, none predicted." in text
    assert "Nothing was missed, nothing is false." in text


def test_page_writes_undefined_for_scores_that_are_none() -> None:
    volume = mask_volume(scores={"f1": None}, class_scores={"cell": {"f1": None, "dice": float("nan")}})
    text = words_of(render(mask_run(volumes=[volume])))
    assert "undefined" in text
    assert "1 of 4 objects found" in text


def test_page_of_an_empty_run_says_so() -> None:
    page = render(mask_run(volumes=[]))
    assert "No volume was segmented yet." in page.text
    assert page.images == []


def test_report_is_written_whole_and_twice_the_same(tmp_path: Path) -> None:
    path = write_mask_report(tmp_path / "report.html", [mask_run()], title="First")
    first = path.read_bytes()
    write_mask_report(path, [mask_run()], title="First")
    assert [file.name for file in tmp_path.iterdir()] == ["report.html"]
    assert path.read_bytes() == first


def test_probabilities_are_read_one_section_at_a_time() -> None:
    asked: list[int] = []

    def reader(z: int) -> np.ndarray:
        asked.append(z)
        return np.zeros((1, 40, 60), np.float32)

    volume = mask_volume(probabilities=reader)
    assert asked == []
    render(mask_run(volumes=[volume]))
    assert sorted(asked) == [0, 1, 2]


def test_the_section_with_most_errors_comes_first_then_others_that_are_no_neighbours() -> None:
    true = np.zeros((10, 20, 20), np.int64)
    true[6, :9, :9] = 1
    true[7, :8, 10:18] = 2
    true[2, 12:15, 12:15] = 3
    found = find_objects(truth=true, segmentation=np.zeros_like(true))
    assert worst_sections([found], 10, 3)[:2] == [6, 2]
    right = find_objects(truth=true, segmentation=true)
    assert worst_sections([right], 10, 1) == [6]
    assert worst_sections([], 10, 1) == [5]


def test_the_most_inner_pixel_of_an_object_lies_in_it() -> None:
    ring = np.zeros((9, 9), np.uint64)
    ring[1:8, 1:8] = 2**63
    ring[3:6, 3:6] = 0
    places = inner_pixels(ring)
    assert list(places) == [2**63]
    place = places[2**63]
    assert ring[place.y, place.x] == 2**63
    full = inner_pixels(np.full((5, 5), 3))
    assert full == {3: Place(2, 2, 3.0, 0, 5)}


def test_content_that_does_not_fit_is_refused() -> None:
    with pytest.raises(
        ShapeError, match=r"`segmentation` must have shape \(z, y, x\) or \(c, z, y, x\), got \(4, 4\)"
    ):
        mask_volume(segmentation=np.zeros((4, 4), np.int64))
    with pytest.raises(ShapeError, match=r"`raw` must have shape .* over \(3, 40, 60\), got \(3, 4, 5\)"):
        mask_volume(raw=np.zeros((3, 4, 5)))
    with pytest.raises(ShapeError, match="`truth` and `segmentation` must have the same shape"):
        mask_volume(truth=np.zeros((2, 3, 40, 60), np.int64))
    with pytest.raises(DtypeError, match="`truth` must hold integer ids"):
        mask_volume(truth=np.zeros((3, 40, 60)))
    with pytest.raises(DtypeError, match="`ignore` must"):
        mask_volume(ignore=np.zeros((3, 40, 60)))
    with pytest.raises(
        ShapeError,
        match=r"`probabilities` must give \(1, 40, 60\), \(k, y, x\), for section 0, got \(2, 40, 60\)",
    ):
        render(mask_run(volumes=[mask_volume(probabilities=np.zeros((2, 3, 40, 60)))]))
    with pytest.raises(
        ShapeError, match=r"`segmentation` of 'case' must have a channel for each of \['a', 'b'\], got 1"
    ):
        mask_run(classes=["a", "b"])
    with pytest.raises(ArgumentError, match=r"`classes` must be one or more of \['other'\], got \['cell'\]"):
        mask_run(channels=["other"])
    with pytest.raises(ArgumentError, match="`dimensions` must be 2 or 3, got 4"):
        mask_run(dimensions=4)
    with pytest.raises(ArgumentError, match="`volumes` must have different names, got 'case' twice"):
        mask_run(volumes=[mask_volume(), mask_volume()])
    with pytest.raises(ArgumentError, match="`curves` must have a column 'step'"):
        mask_run(curves={"loss": [1]})
    with pytest.raises(ArgumentError, match=r"`runs` must have different names"):
        render(mask_run(), mask_run())
    with pytest.raises(ShapeError, match=r"`runs` must agree on the shape of volume 'case'"):
        render(mask_run("a"), mask_run("b", volumes=[mask_volume(depth=2)]))
