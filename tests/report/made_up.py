"""Small runs with known errors, and a reader of pages, shared by the tests of the report."""

from __future__ import annotations

from html.parser import HTMLParser

import numpy as np

from objectwise.report import RunContent, VolumeContent

VOID = {"meta", "img", "br", "link", "input", "hr"}


def blocks(depth: int = 3, side: int = 48) -> np.ndarray:
    """Four square objects a section, ids 1 to 4, with a background cross between them."""
    truth = np.zeros((depth, side, side), np.uint64)
    half = side // 2
    for index, (y, x) in enumerate([(0, 0), (0, half), (half, 0), (half, half)]):
        truth[:, y + 1 : y + half - 1, x + 1 : x + half - 1] = index + 1
    return truth


def with_errors(truth: np.ndarray) -> np.ndarray:
    """Cut object 1 in two, join 2 and 3, miss 4: segments 11 and 12, 20, none."""
    segmentation = np.zeros(truth.shape, np.int64)
    x = np.arange(truth.shape[2])[None, None, :]
    segmentation[truth == 1] = 11
    segmentation[(truth == 1) & (x >= truth.shape[2] // 3)] = 12
    segmentation[(truth == 2) | (truth == 3)] = 20
    return segmentation


def volume(name: str = "cube", depth: int = 3, **changes: object) -> VolumeContent:
    """One volume with a split, a merge and a missed object, scores and affinities."""
    truth = blocks(depth)
    rng = np.random.default_rng(0)
    scores = {"adapted_rand_error": 0.25, "voi_split": 0.5, "voi_merge": 0.75, "cremi_score": 0.559}
    content: dict[str, object] = {
        "name": name,
        "raw": rng.integers(0, 255, truth.shape).astype(np.uint8),
        "segmentation": with_errors(truth),
        "truth": truth,
        "affinities": rng.random((3, *truth.shape)).astype(np.float32),
        "offsets": -np.eye(3, dtype=np.int64),
        "scores": scores,
        "section_scores": [{"adapted_rand_error": 0.2 + 0.1 * z} for z in range(depth)],
    }
    if depth == 1:
        content |= {"offsets": np.array([[0, -1, 0], [0, 0, -1]]), "affinities": None}
    return VolumeContent(**(content | changes))  # type: ignore[arg-type]


def run(name: str = "malis", **changes: object) -> RunContent:
    """One run on one volume, with curves, a sweep and a configuration."""
    steps = np.arange(40)
    content: dict[str, object] = {
        "name": name,
        "volumes": [volume()],
        "config_yaml": "loss:\n  name: malis\nseed: 0\n",
        "curves": {
            "step": steps,
            "loss": np.exp(-steps / 9.0) + 0.1,
            "malis": np.where(steps > 9, 0.2, np.nan),
        },
        "sweep": [(0.3, 0.5), (0.5, 0.25), (0.9, 0.3)],
        "chosen_threshold": 0.5,
        "warmup_steps": 10,
    }
    return RunContent(**(content | changes))  # type: ignore[arg-type]


class Page(HTMLParser):
    """What a page holds; a tag closed out of order raises."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.open: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.images: list[dict[str, str | None]] = []
        self.ids: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == [], f"left open: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        values = dict(attrs)
        if tag == "img":
            self.images.append(values)
        if values.get("id"):
            self.ids.append(str(values["id"]))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open[-1] == tag, f"</{tag}> closes <{self.open[-1]}>"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        """All visible text, spaces collapsed."""
        return " ".join(" ".join(self.words).split())
