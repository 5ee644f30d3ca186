"""Functions of arrays that select the frames of clips and the split of each frame."""

from collections.abc import Collection, Iterable

import numpy as np

TRAIN, VAL, TEST, NONE = "t", "v", "e", "-"  # a drive's splits are a string with one of these for each frame
CODES = {"train": TRAIN, "val": VAL, "test": TEST}
GAP = 2  # frames between train and val of a drive split by time

NEAREST, FARTHEST = (
    0.03,
    3.0,
)  # metres between neighbours of a clip: less shows no motion, more is a gap


def split_by_time(count: int) -> str:
    """Train: the first 80 % of a drive; two frames are left out; the rest is val. A very short drive is all train."""
    train = count * 4 // 5
    val = count - train - GAP
    return TRAIN * train + NONE * GAP + VAL * val if val > 0 else TRAIN * count


def split_by_lists(frames: Iterable[int], *, train: Collection[int], val: Collection[int], test: bool) -> str:
    """Splits by the official lists, which have no frame in common; all of a benchmark drive is `test`."""
    if test:
        return "".join(TEST for _ in frames)
    return "".join(TRAIN if frame in train else VAL if frame in val else NONE for frame in frames)


def clips(
    frames: np.ndarray, splits: str, positions: np.ndarray, *, split: str, length: int = 3, stride: int = 1
) -> np.ndarray:
    """All clips of a drive whose target is in a split.

    Args:
      frames: [n] frame ids, ascending.
      splits: code of each frame.
      positions: [n 3] metres, NaN where the pose is unknown.
      split: train, val or test.
      length: frames of a clip, odd; the middle one is the target.
      stride: frame numbers between neighbours.

    Returns:
      [clips length] indices into `frames`, in temporal order. All frames exist, none belongs to another split, and
      neighbours lie 0.03 to 3 m apart where both poses are known.
    """
    frames, codes = np.asarray(frames), np.array(list(splits))
    targets = np.flatnonzero(codes == CODES[split])
    offsets = (np.arange(length) - length // 2) * stride
    wanted = frames[targets][:, None] + offsets
    index = np.minimum(np.searchsorted(frames, wanted), len(frames) - 1)
    usable = np.all(frames[index] == wanted, axis=1)
    usable &= np.all((codes[index] == CODES[split]) | (codes[index] == NONE), axis=1)
    if length > 1:
        distance = np.linalg.norm(np.diff(np.asarray(positions, np.float64)[index], axis=1), axis=-1)
        usable &= np.all(np.isnan(distance) | ((distance >= NEAREST) & (distance <= FARTHEST)), axis=1)
    return index[usable]


def evenly_spaced(count: int, wanted: int) -> np.ndarray:
    """`wanted` indices evenly spaced over `range(count)`; all of them if `wanted` is 0 or at least `count`."""
    if wanted <= 0 or wanted >= count:
        return np.arange(count)
    return np.arange(wanted) * count // wanted
