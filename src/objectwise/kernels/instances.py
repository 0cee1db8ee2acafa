"""Objects and cells of a labelled volume, each in one pass whose cost does not depend on their number.

Volumes are (z, y, x) int32 with dense ids: 0 is background, the objects are 1..n. Row 0 of every table of
objects stays empty.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from objectwise.kernels.compiling import compiled, inlined
from objectwise.kernels.overlap import FIRST_CAPACITY, doubled, slot_of


class Moments(NamedTuple):
    """Of every object: voxels, sum of their positions, bounding box (start, stop), and the last voxel."""

    sizes: NDArray[np.int64]
    sums: NDArray[np.int64]
    boxes: NDArray[np.int64]
    last: NDArray[np.int64]


@compiled
def object_moments(ids: NDArray[np.int32], n: int) -> Moments:
    """Add up size, position and extent of the objects 1..n."""
    depth, height, width = ids.shape
    sizes = np.zeros(n + 1, np.int64)
    sums = np.zeros((n + 1, 3), np.int64)
    boxes = np.zeros((n + 1, 3, 2), np.int64)
    boxes[:, :, 0] = np.iinfo(np.int64).max
    last = np.full(n + 1, -1, np.int64)
    for z in range(depth):
        for y in range(height):
            x = 0
            while x < width:
                label = ids[z, y, x]
                start = x
                x += 1
                if label == 0:
                    continue
                while x < width and ids[z, y, x] == label:
                    x += 1
                run = x - start
                sizes[label] += run
                sums[label, 0] += run * z
                sums[label, 1] += run * y
                sums[label, 2] += run * (start + x - 1) // 2
                boxes[label, 0, 0] = min(boxes[label, 0, 0], z)
                boxes[label, 0, 1] = z + 1
                boxes[label, 1, 0] = min(boxes[label, 1, 0], y)
                boxes[label, 1, 1] = max(boxes[label, 1, 1], y + 1)
                boxes[label, 2, 0] = min(boxes[label, 2, 0], start)
                boxes[label, 2, 1] = max(boxes[label, 2, 1], x)
                last[label] = (z * height + y) * width + x - 1
    return Moments(sizes, sums, boxes, last)


@compiled
def nearest_own_voxels(
    ids: NDArray[np.int32], places: NDArray[np.float64], spacing: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Find, for every object, its own voxel that is nearest to its place.

    Of several the first in C order, as far as rounding sees that they are equally near.
    """
    nearest = np.zeros(places.shape, np.int64)
    distances = np.full(len(places), np.inf)
    missing = False
    for label in range(1, len(places)):
        z, y, x = _voxel_at(places[label])
        if ids[z, y, x] == label:  # none can be nearer
            nearest[label, 0], nearest[label, 1], nearest[label, 2] = z, y, x
            distances[label] = -1.0
        else:
            missing = True
    if missing:
        _search_all(ids, places, spacing, nearest, distances)
    return nearest


@inlined
def _voxel_at(place: NDArray[np.float64]) -> tuple[int, int, int]:
    """Return the voxel that is nearest to a place, the first in C order of several."""
    return (
        np.int64(np.ceil(place[0] - 0.5)),
        np.int64(np.ceil(place[1] - 0.5)),
        np.int64(np.ceil(place[2] - 0.5)),
    )


@compiled
def _search_all(
    ids: NDArray[np.int32],
    places: NDArray[np.float64],
    spacing: NDArray[np.float64],
    nearest: NDArray[np.int64],
    distances: NDArray[np.float64],
) -> None:
    """Improve `nearest`, as far away as `distances` say, by all voxels."""
    for z in range(ids.shape[0]):
        for y in range(ids.shape[1]):
            for x in range(ids.shape[2]):
                label = ids[z, y, x]
                if label == 0:
                    continue
                dz = (z - places[label, 0]) * spacing[0]
                dy = (y - places[label, 1]) * spacing[1]
                dx = (x - places[label, 2]) * spacing[2]
                distance = dz * dz + dy * dy + dx * dx
                if distance < distances[label]:
                    distances[label] = distance
                    nearest[label, 0], nearest[label, 1], nearest[label, 2] = z, y, x


@compiled
def number_cells(
    predicted: NDArray[np.int32],
    truth: NDArray[np.int32],
    predicted_centers: NDArray[np.int64],
    true_centers: NDArray[np.int64],
    reach: NDArray[np.int64],
    out: NDArray[np.int32],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Find and number the combinations (predicted object, true object, central or not) that occur.

    A voxel is central if it lies within `reach` voxels, along every axis, of the center of an object it
    belongs to; with a negative reach none is. `out` receives the number of each voxel's cell and may be
    `predicted` itself. Returns predicted object and 2 * true object + central of every cell, (cells, 2), and
    its voxels. Cell 0 is the background of both.
    """
    depth, height, width = predicted.shape
    known = np.zeros((4 * (len(true_centers) + len(predicted_centers)), 2), np.int32)
    rows = np.zeros((FIRST_CAPACITY, 3), np.int64)  # predicted, 2 * true + central, voxels
    overlaps = np.zeros((FIRST_CAPACITY, 3), np.uint64)  # predicted, 2 * true + central, cell (0: free)
    line, n, n_overlaps = 0, 1, 0
    while line < depth * height:
        # Tables grow here and not where a cell is found: an array that a loop may replace is counted as
        # referenced at every turn of it, which took half of the time.
        while n + width > len(rows):
            rows = np.concatenate((rows, np.zeros_like(rows)))
        while 2 * (n_overlaps + width) > len(overlaps):
            overlaps = doubled(overlaps)
        line, n, n_overlaps = _number_lines(
            predicted,
            truth,
            predicted_centers,
            true_centers,
            reach,
            known,
            overlaps,
            rows,
            (line, n, n_overlaps),
            out,
        )
    return rows[:n, :2].copy(), rows[:n, 2].copy()


@compiled
def _number_lines(
    predicted: NDArray[np.int32],
    truth: NDArray[np.int32],
    predicted_centers: NDArray[np.int64],
    true_centers: NDArray[np.int64],
    reach: NDArray[np.int64],
    known: NDArray[np.int32],
    overlaps: NDArray[np.uint64],
    rows: NDArray[np.int64],
    state: tuple[int, int, int],
    out: NDArray[np.int32],
) -> tuple[int, int, int]:
    """Go on along x with line, cells and overlaps so far, until the tables lack room for one more line."""
    depth, height, width = predicted.shape
    first, n, n_overlaps = state
    for line in range(first, depth * height):
        if n + width > len(rows) or 2 * (n_overlaps + width) > len(overlaps):
            return line, n, n_overlaps
        z, y = divmod(line, height)
        x = 0
        while x < width:
            p, t, start = predicted[z, y, x], truth[z, y, x], x
            # Most of a volume is background: a run of it costs one comparison a voxel.
            while x < width and predicted[z, y, x] == p and truth[z, y, x] == t:
                x += 1
            if p == 0 and t == 0:
                out[z, y, start:x] = 0
                rows[0, 2] += x - start
                continue
            low, high = _central_interval(true_centers, t, z, y, reach)
            lower, higher = _central_interval(predicted_centers, p, z, y, reach)
            while start < x:
                central = low <= start <= high or lower <= start <= higher
                stop = start + 1
                while stop < x and central == (low <= stop <= high or lower <= stop <= higher):
                    stop += 1
                cell = _cell_of(known, overlaps, len(true_centers), p, t, central, n)
                if cell == n:
                    rows[n, 0], rows[n, 1] = p, 2 * np.int64(t) + central
                    n += 1
                    n_overlaps += p > 0 and t > 0
                out[z, y, start:stop] = cell
                rows[cell, 2] += stop - start
                start = stop
    return depth * height, n, n_overlaps


@inlined
def _cell_of(
    known: NDArray[np.int32], overlaps: NDArray[np.uint64], n_true: int, p: int, t: int, central: bool, n: int
) -> int:
    """Look up the cell of objects of which one is not background; it becomes cell n if unseen.

    `known` holds, for every true object with and without a prediction, and every predicted one without truth,
    central or not, the predicted object it was last seen with and their cell. Neighbours in space have
    neighbouring ids, so that is in the cache; one row answers for all three, so no branch is guessed wrong.
    Only an overlap other than the last is hashed.
    """
    first = 4 * np.int64(t) + 2 * (p > 0) if t > 0 else 4 * (n_true + np.int64(p))
    row = first + central
    cell = np.int64(known[row, 1])
    if cell != 0 and known[row, 0] == p:
        return cell
    cell = n
    if p > 0 and t > 0:
        half = np.uint64(2 * np.int64(t) + central)
        slot = slot_of(overlaps, np.uint64(p), half)
        if overlaps[slot, 2] == 0:
            overlaps[slot, 0], overlaps[slot, 1], overlaps[slot, 2] = np.uint64(p), half, np.uint64(n)
        cell = np.int64(overlaps[slot, 2])
    known[row, 0], known[row, 1] = p, cell
    return cell


@inlined
def _central_interval(
    centers: NDArray[np.int64], label: int, z: int, y: int, reach: NDArray[np.int64]
) -> tuple[int, int]:
    """Return first and last x within reach of the object's center along a row; (0, -1) for none."""
    if label == 0 or abs(z - centers[label, 0]) > reach[0] or abs(y - centers[label, 1]) > reach[1]:
        return 0, -1
    return centers[label, 2] - reach[2], centers[label, 2] + reach[2]


@compiled
def dense_ids(ids: NDArray[np.uint64], out: NDArray[np.int32]) -> int:
    """Renumber the ids of a flat array 1..n in the order of their first voxels, 0 staying 0; return n."""
    slots = np.zeros((FIRST_CAPACITY, 3), np.uint64)  # id, 0, number (0: free)
    n = 0
    before, number = np.uint64(0), np.uint64(0)
    for i in range(ids.size):
        label = ids[i]
        if label != before:
            before = label
            number = np.uint64(0)
            if label != 0:
                slot = slot_of(slots, label, np.uint64(0))
                if slots[slot, 2] == 0:
                    n += 1
                    slots[slot, 0], slots[slot, 2] = label, np.uint64(n)
                    number = np.uint64(n)
                    if 2 * n > slots.shape[0]:
                        slots = doubled(slots)
                else:
                    number = slots[slot, 2]
        out[i] = np.int32(number)
    return n


@compiled
def halve_regions(
    regions: NDArray[np.int32],
    true: NDArray[np.bool_],
    ignored: NDArray[np.bool_],
    first: int,
    cells: NDArray[np.int32],
    voxels: NDArray[np.int64],
) -> None:
    """Write the cell 2 (first + r) + y of every voxel, in region r with truth y, and count into `voxels`.

    Ignored voxels are cell -1 and not counted; an empty `ignored` says that there are none.
    """
    for i in range(regions.size):
        if ignored.size and ignored[i]:
            cells[i] = -1
            continue
        cell = 2 * (first + regions[i]) + true[i]
        cells[i] = cell
        voxels[cell] += 1


@compiled
def add_to_cells(
    cells: NDArray[np.int32],
    first: NDArray[np.floating],
    second: NDArray[np.floating],
    third: NDArray[np.floating],
    sums: NDArray[np.float64],
) -> None:
    """Add three values of every voxel to the sums (cells, 3) of its cell; a negative cell is the last one."""
    # Neighbours share a cell, so a run is added up in registers: adding to memory would wait on itself.
    i = 0
    while i < cells.size:
        cell = cells[i]
        a, b, c = np.float64(0), np.float64(0), np.float64(0)
        while i < cells.size and cells[i] == cell:
            a += first[i]
            b += second[i]
            c += third[i]
            i += 1
        sums[cell, 0] += a
        sums[cell, 1] += b
        sums[cell, 2] += c


@compiled
def logit_gradient(
    cells: NDArray[np.int32],
    probabilities: NDArray[np.floating],
    gradients: NDArray[np.float64],
    out: NDArray[np.floating],
) -> None:
    """Write the gradient of every logit, given its cell's, (cells, 3); a negative cell is the last one.

    The sums are those of p, -log p and -log(1 - p), whose slopes by the logit are p (1 - p), p - 1 and p.
    """
    for i in range(cells.size):
        cell = cells[i]
        p = np.float64(probabilities[i])
        rise = gradients[cell, 2] + gradients[cell, 0] * (1.0 - p)
        out[i] = p * rise + gradients[cell, 1] * (p - 1.0)


@compiled
def probability_gradient(
    cells: NDArray[np.int32],
    probabilities: NDArray[np.floating],
    gradients: NDArray[np.float64],
    least: float,
    out: NDArray[np.floating],
) -> None:
    """Write the gradient of every probability likewise; `least` keeps the logarithms' slopes finite.

    With `least` 0 there are no logarithms: the second sum is that of p^2, one factor of which is constant.
    """
    for i in range(cells.size):
        cell = cells[i]
        p = np.float64(probabilities[i])
        if least > 0:
            along = gradients[cell, 2] / max(1.0 - p, least) - gradients[cell, 1] / max(p, least)
        else:
            along = gradients[cell, 1] * p
        out[i] = gradients[cell, 0] + along


@compiled
def group_cells(
    groups: NDArray[np.int64],
    members: NDArray[np.bool_],
    cell_voxels: NDArray[np.int64],
    first: int,
    of_cell: NDArray[np.int64],
    of_group: NDArray[np.int64],
    voxels: NDArray[np.float64],
) -> int:
    """List the member cells with `first` plus their group, add their voxels to it, and return their number.

    The lists have room for one more: every cell is written, and stays if it is a member. A branch would be
    guessed wrong for a third of them.
    """
    n = 0
    for cell in range(groups.size):
        member = members[cell]
        group = first + groups[cell] if member else 0
        of_cell[n], of_group[n] = cell, group
        voxels[group] += cell_voxels[cell] if member else 0
        n += member
    return n


@compiled
def add_rows(
    source: NDArray[np.float64],
    sources: NDArray[np.int64],
    targets: NDArray[np.int64],
    out: NDArray[np.float64],
) -> None:
    """Add row `sources[i]` of one table (n, 3) to row `targets[i]` of another, for every i."""
    for i in range(sources.size):
        a, b = sources[i], targets[i]
        out[b, 0] += source[a, 0]
        out[b, 1] += source[a, 1]
        out[b, 2] += source[a, 2]
