"""Splits and clips against the rules' words."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfds_kitti360.clips import clips, evenly_spaced, split_by_lists, split_by_time

UNKNOWN = np.full((100, 3), np.nan)


def along(metres):
    """Camera positions on a line, far from the origin."""
    return np.array([1500.0, -2000.0, 100.0]) + np.outer(metres, [0.6, 0.8, 0.0])


def found(frames, splits, positions=None, **options):
    positions = UNKNOWN[: len(frames)] if positions is None else positions
    index = clips(np.array(frames), splits, positions, **{"split": "train", **options})
    return np.array(frames)[index].tolist()


def test_forty_frames_split_by_time_as_the_excerpt_does():
    assert split_by_time(40) == "t" * 32 + "--" + "v" * 6
    assert split_by_time(5) == "ttttt"


@pytest.mark.parametrize("count", range(60))
def test_a_split_by_time_covers_the_drive_with_a_gap_of_two(count):
    codes = split_by_time(count)
    assert len(codes) == count
    if "v" in codes:
        train = codes.count("t")
        assert train == int(0.8 * count + 1e-9) and codes == "t" * train + "--" + "v" * (count - train - 2)
    else:
        assert codes == "t" * count and count < 11


def test_lists_are_followed_and_a_test_drive_is_test():
    assert split_by_lists([1, 2, 3, 4], train={1, 3}, val={4}, test=False) == "t-tv"
    assert split_by_lists([1, 2, 3, 4], train=set(), val=set(), test=True) == "eeee"


def test_all_frames_of_a_clip_exist_and_none_is_of_another_split():
    assert found([1, 2, 3, 5, 6, 7], "tttttt") == [[1, 2, 3], [5, 6, 7]]
    assert found([1, 2, 3, 4, 5], "-t-tv") == [[1, 2, 3]]  # unlisted neighbours may serve, those of val may not
    assert found([1, 2, 3, 4, 5], "-t-tv", split="val") == []
    assert found([1, 2, 3], "-v-", split="val") == [[1, 2, 3]]
    assert found([1, 2, 3], "eee", split="test") == [[1, 2, 3]]
    assert found([], "") == [] and found([1], "t") == []


def test_stride_and_length():
    frames = [1, 2, 3, 4, 5, 7]
    assert found(frames, "tttttt", stride=2) == [[1, 3, 5], [3, 5, 7]]
    assert found(frames, "tttttt", length=5) == [[1, 2, 3, 4, 5]]
    assert found(frames, "tttttt", length=1) == [[frame] for frame in frames]


@pytest.mark.parametrize(
    ("metres", "usable"),
    [
        ([0, 0.02, 1], False),
        ([0, 1, 1.02], False),
        ([0, 0.031, 0.062], True),
        ([0, 2.99, 5.98], True),
        ([0, 3.01, 4], False),
        ([0, 1, 4.01], False),
        ([0, 1, np.nan], True),
        ([np.nan, np.nan, np.nan], True),
        ([0, np.nan, 0], True),
    ],
)
def test_neighbours_lie_3_cm_to_3_m_away_where_poses_are_known(metres, usable):
    assert found([1, 2, 3], "ttt", along(metres)) == ([[1, 2, 3]] if usable else [])


@given(st.sets(st.integers(0, 40)), st.sampled_from([1, 3, 5]), st.integers(1, 3), st.randoms())
@settings(max_examples=60, deadline=None)
def test_equals_the_plain_definition(ids, length, stride, random):
    frames, splits = sorted(ids), "".join(random.choice("tv-") for _ in ids)
    code = dict(zip(frames, splits))
    offsets = [(k - length // 2) * stride for k in range(length)]
    expected = [
        [target + offset for offset in offsets]
        for target in frames
        if code[target] == "t" and all(code.get(target + offset, "v") in "t-" for offset in offsets)
    ]
    assert found(frames, splits, length=length, stride=stride) == expected


@given(st.integers(0, 300), st.integers(0, 300))
def test_evenly_spaced_subsets_spread(count, wanted):
    index = evenly_spaced(count, wanted)
    assert len(index) == (min(wanted, count) if wanted else count)
    assert len(set(index.tolist())) == len(index) and all(0 <= i < count for i in index)
    if len(index) > 1:
        steps = np.diff(index)
        assert steps.min() > 0 and steps.max() - steps.min() <= 1
