"""The page holds what it promises, loads nothing, and survives what is missing."""

from __future__ import annotations

import re
from pathlib import Path

import h5py
import numpy as np
import pytest

from objectwise.errors import ArgumentError, ShapeError
from objectwise.metrics import evaluate, evaluate_sections
from objectwise.report import RunContent, VolumeContent, render_report, write_report
from tests.report.made_up import Page, run, volume


def render(*runs: RunContent, title: str = "A report") -> Page:
    return Page(render_report(runs, title=title))


def test_page_names_scores_errors_and_configuration() -> None:
    page = render(run())
    for expected in (
        "Adapted Rand error 0.250 on cube.",
        "0.500",
        "0.750",
        "0.559",
        "Object 1 is cut into 2 segments",
        "Segment 20 covers 2 objects",
        "Object 4 is mostly background",
        "name: malis",
        "malis uses 0.5",
    ):
        assert expected in page.text


def test_page_says_beside_the_score_that_it_is_one_of_training_data() -> None:
    words = "The network was trained on these voxels."
    page = render(run(volumes=[volume(learnt_from=words)]))
    assert "Adapted Rand error 0.250 on cube (training data)." in page.text
    assert f"Training data : {words}" in " ".join(page.text.split())
    both = render(run(), run("bce", volumes=[volume(learnt_from=words)]))
    assert "on cube (training data)." in both.text
    assert f"Training data, bce : {words}" in " ".join(both.text.split())
    assert "training data" not in render(run()).text.lower()


def test_page_has_a_picture_of_every_kind_with_alternative_text() -> None:
    page = render(run())
    for kind in (
        "Raw image of section",
        "True objects of section",
        "Segments of section",
        "Affinities of",
        "Errors marked in",
    ):
        assert any(str(image["alt"]).startswith(kind) for image in page.images), kind
    assert all(str(image["src"]).startswith("data:image/png;base64,") for image in page.images)
    assert all(image["alt"] for image in page.images)


def test_page_has_a_figure_per_curve_a_sweep_and_the_errors_by_section() -> None:
    page = render(run())
    figures = [value for tag, name, value in page.attributes if (tag, name) == ("svg", "aria-label")]
    assert sorted(figures) == [
        "Adapted Rand error over threshold",
        "Share of object voxels in error, by section",
        "Training curve: loss",
        "Training curve: malis",
    ]
    assert "warm-up" in page.text


def test_page_loads_nothing_from_elsewhere() -> None:
    text = render_report([run()], title="t")
    page = Page(text)
    assert re.search(r"https?://", text) is None
    assert not {"script", "link", "iframe", "object", "embed"} & set(page.tags)
    for _, name, value in page.attributes:
        if name in ("src", "href", "xlink:href"):
            assert value.startswith(("data:image/png;base64,", "#")), value
        assert not name.startswith("on")
    assert all(target.startswith("#") for target in re.findall(r"url\(([^)]*)\)", text))


def test_page_ids_are_unique_and_every_link_has_its_target() -> None:
    page = render(run("first"), run("second"))
    assert len(page.ids) == len(set(page.ids))
    links = {value[1:] for _, name, value in page.attributes if name == "href"}
    assert links <= set(page.ids)
    assert any(link.startswith("error-") for link in links)


def test_page_escapes_every_string_of_the_user() -> None:
    evil = '<script>alert("1")</script>$x_&\'<!--'
    text = render_report(
        [
            run(
                evil,
                volumes=[volume(evil, scores={evil: 0.5})],
                config_yaml=f"a: {evil}",
                curves={"step": [1, 2], evil: [1, 2]},
            ),
            run("other" + evil, volumes=[volume(evil)]),
        ],
        title=evil,
    )
    page = Page(text)
    assert "script" not in page.tags
    assert "<script" not in text
    assert page.text.count('<script>alert("1")</script>') > 5


def test_page_compares_runs_on_one_section_and_marks_the_best() -> None:
    better = volume(segmentation=volume().truth, scores={"adapted_rand_error": 0.1, "voi_split": 0.9})
    page = render(run("bce"), run("malis", volumes=[better], config_yaml="loss:\n  name: other\nseed: 0\n"))
    assert "malis wins: adapted Rand error 0.100 against 0.250 for bce, 60% lower, on cube." in page.text
    assert "No object is split, merged or missed." in page.text
    best = [
        value for tag, name, value in page.attributes if (tag, name) == ("td", "class") and "best" in value
    ]
    assert len(best) > 2
    differing = [value for _, name, value in page.attributes if name == "class" and value == "line differs"]
    assert len(differing) == 2
    alts = [str(image["alt"]) for image in page.images]
    sections = {re.search(r"section (\d+)", alt)[1] for alt in alts if alt.startswith("Errors marked")}  # type: ignore[index]
    for name in ("bce", "malis"):
        assert any(alt.startswith("Errors marked") and f"by {name}" in alt for alt in alts)
    assert sections == {"0", "1", "2"}


def test_page_begins_with_the_verdict_then_the_worst_section_then_the_errors() -> None:
    segmentation = volume().truth.astype(np.int64)  # type: ignore[union-attr]
    segmentation[2][segmentation[2] == 2] = 3
    text = render(run(volumes=[volume(segmentation=segmentation)])).text
    places = [
        text.index(words)
        for words in (
            "Adapted Rand error 0.250",
            "most errors in section 2",
            "Largest errors",
            "Training Each",
            "Threshold malis",
            "Configuration malis",
        )
    ]
    assert places == sorted(places)


def test_page_without_truth_shows_pictures_and_no_scores() -> None:
    page = render(run(volumes=[volume(truth=None, scores={}, section_scores=[])]))
    assert "There is no truth to compare with: pictures only." in page.text
    assert "table" not in page.tags
    assert not any("Errors marked" in str(image["alt"]) for image in page.images)
    assert any("Segments of" in str(image["alt"]) for image in page.images)


@pytest.mark.parametrize("linked", [True, False])
def test_page_of_one_section_has_no_bars_and_no_other_sections(linked: bool) -> None:
    page = render(run(volumes=[volume(depth=1)], linked_sections=linked))
    assert "most errors in section 0" in page.text
    assert "Other sections" not in page.text
    assert "Share of object voxels in error, by section" not in [value for _, _, value in page.attributes]


def test_page_without_objects_says_that_nothing_is_wrong() -> None:
    nothing = np.zeros((2, 20, 30), np.int64)
    empty = VolumeContent("empty", nothing.astype(np.float32), nothing, nothing)
    page = render(run(volumes=[empty]))
    assert "No object is split, merged or missed." in page.text
    assert "No scores were given." in page.text


def test_page_writes_undefined_for_scores_that_are_not_numbers() -> None:
    scores = {"adapted_rand_error": float("nan"), "voi_split": float("inf")}
    sections = [{"adapted_rand_error": float("nan")}] * 3
    page = render(run(volumes=[volume(scores=scores, section_scores=sections)]))
    assert "undefined" in page.text
    assert "best" not in [value for _, name, value in page.attributes if name == "class"]


def test_page_of_an_empty_run_says_so() -> None:
    page = render(RunContent("bare"))
    assert "No volume was segmented yet." in page.text
    assert page.images == []


def test_page_shows_volumes_that_only_one_run_has() -> None:
    page = render(run("a", volumes=[volume("one")]), run("b", volumes=[volume("two")]))
    assert "one: most errors" in page.text
    assert "two: most errors" in page.text
    assert "No scores were given." in page.text


def test_report_is_written_whole_and_leaves_no_other_file(tmp_path: Path) -> None:
    path = write_report(tmp_path / "report.html", [run()], title="First")
    write_report(path, [run()], title="Second")
    assert [file.name for file in tmp_path.iterdir()] == ["report.html"]
    assert "Second" in path.read_text(encoding="utf-8")


def test_report_of_the_same_runs_is_the_same_file() -> None:
    assert render_report([run()], title="t") == render_report([run()], title="t")


def test_report_refuses_no_runs_equal_names_and_unequal_shapes() -> None:
    with pytest.raises(ArgumentError, match=r"`runs` must hold at least one run, got none"):
        render_report([], title="t")
    with pytest.raises(ArgumentError, match=r"`runs` must have different names, got \['a', 'a'\]"):
        render_report([run("a"), run("a")], title="t")
    with pytest.raises(ShapeError, match=r"`runs` must agree on the shape of volume 'cube', got"):
        render_report([run("a"), run("b", volumes=[volume(depth=2)])], title="t")


def test_report_of_real_tissue_stays_small(shared: Path, tmp_path: Path) -> None:
    with h5py.File(shared / "data/snemi3d/ac4_val.h5") as file:
        raw, truth = (file[name][:4] for name in ("volumes/raw", "volumes/labels/neuron_ids"))
    ids, sizes = np.unique(truth[truth > 0], return_counts=True)
    largest = ids[np.argsort(-sizes)]
    segmentation = truth.astype(np.int64)
    segmentation[segmentation == largest[1]] = largest[2]
    segmentation[(truth == largest[0]) & (np.arange(512) > 150)] = 100_000
    content = VolumeContent(
        "ac4", raw, segmentation, truth, voxel_size=(30, 6, 6),
        scores=evaluate(truth=truth, segmentation=segmentation)._asdict(),
        section_scores=[s._asdict() for s in evaluate_sections(truth=truth, segmentation=segmentation)],
    )  # fmt: skip
    path = write_report(tmp_path / "real.html", [run(volumes=[content])], title="Real")
    assert path.stat().st_size < 4_000_000
    text = Page(path.read_text(encoding="utf-8")).text
    assert f"covers 2 objects: {largest[1]}, {largest[2]}" in text
    assert f"Object {largest[0]} is cut into 2 segments" in text
