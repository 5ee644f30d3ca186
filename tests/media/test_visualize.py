"""Pictures: sizes, known colours and what must not break them."""

import numpy as np
import pytest

from mtl_depth.media import visualize

PALETTE = np.zeros((256, 3), np.uint8)
PALETTE[7], PALETTE[26] = (128, 64, 128), (0, 0, 142)


def test_near_is_brighter_than_far_and_unknown_is_black():
    depth = np.array([[5.0, 10.0, 40.0, 0.0, np.nan, np.inf]])
    picture = visualize.depth_picture(depth.repeat(4, axis=0)).astype(int).sum(-1)[0]
    assert picture[0] > picture[1] > picture[2] > 0
    assert not picture[3:].any()
    disparity = visualize.disparity_picture(np.array([[0.9, 0.5, 0.1, 0.0]])).astype(int).sum(-1)[0]
    assert disparity[0] > disparity[1] > disparity[2] > disparity[3] == 0


def test_scans_get_larger_dots():
    depth = np.zeros((20, 20))
    depth[10, 10] = 8.0
    assert visualize.depth_picture(depth).any(-1).sum() == 9


def test_depth_without_any_truth_is_black():
    assert not visualize.depth_picture(np.zeros((4, 4))).any()
    assert not visualize.disparity_picture(np.full((4, 4), np.nan)).any()


def test_the_legend_stays_at_the_edge():
    depth = np.linspace(3, 80, 200 * 600).reshape(200, 600)
    plain, marked = (
        visualize.depth_picture(depth, nearest=3.0),
        visualize.depth_picture(depth, nearest=3.0, legend=True),
    )
    changed = (plain != marked).any(-1)
    assert changed.any() and not changed[:, :540].any()


@pytest.mark.parametrize("height", [64, 300])
def test_the_legend_is_white_on_dark_even_over_what_is_near(height):
    marked = visualize.depth_picture(np.full((height, 640), 3.0), nearest=3.0, legend=True)
    beside = marked[height // 10 : -(height // 10), 640 - 4 * (640 // 52) + 2 :]  # to the right of the bar
    assert np.median(beside.max(axis=-1)) < 100 and beside.min(axis=-1).max() > 200 and marked[0, 0].min() > 180


def test_label_colours_and_ids_outside_the_table():
    labels = np.array([[7, 26], [-1, 300]])
    expected = [[(128, 64, 128), (0, 0, 142)], [(0, 0, 0), (0, 0, 0)]]
    np.testing.assert_array_equal(visualize.label_picture(labels, PALETTE), expected)
    assert visualize.label_picture(labels.astype(np.int64)[None], PALETTE).shape == (1, 2, 2, 3)


def test_instances_differ_stay_near_their_class_and_have_outlines():
    values = np.zeros((30, 300), np.int64)
    for number in range(1, 11):
        values[5:25, number * 25 : number * 25 + 20] = 26000 + number
    picture = visualize.instance_picture(values, PALETTE, opacity=1.0)
    colors = np.array([picture[15, number * 25 + 10] for number in range(1, 11)], int)
    distances = np.abs(colors[:, None] - colors).sum(-1) + 999 * np.eye(10)
    assert distances.min() >= 20
    assert (colors[:, 2] > colors[:, 0]).sum() >= 8  # cars stay blue
    assert (picture[5, 25] > 170).all() and not picture[0, 0].any()
    values[5:25, 45:60] = 26011  # touches the first: the light line runs on one side only
    line = visualize.instance_picture(values, PALETTE, opacity=1.0)[15, 40:50].min(axis=-1) > 170
    assert line.sum() == 1


def test_instances_lie_over_the_image():
    image = np.full((8, 8, 3), 200, np.uint8)
    values = np.zeros((4, 4), np.int64)
    values[:, :2] = 7000  # number 0: the class colour, no outline
    picture = visualize.instance_picture(values, PALETTE, image=image, opacity=0.5)
    np.testing.assert_array_equal(picture[0, 0], (164, 132, 164))
    np.testing.assert_array_equal(picture[0, 3], (200, 200, 200))


def test_masks():
    masked = visualize.mask_picture(np.array([[True, False]]), np.full((1, 2, 3), 100, np.uint8))
    np.testing.assert_array_equal(masked[0, :, 0], [100, 25])


def test_to_uint8_rounds_and_clips():
    np.testing.assert_array_equal(visualize.to_uint8(np.array([[[-1, 0.5, 2]]])), [[[0, 128, 255]]])
    image = np.full((1, 1, 3), 7, np.uint8)
    assert visualize.to_uint8(image) is image


def test_figure_takes_frames_of_any_size_and_short_rows():
    wide, tall = np.zeros((20, 80, 3), np.uint8), np.zeros((40, 40, 3), np.uint8)
    figure = visualize.figure([[wide, tall], [tall]], ["Input", ""], width=40)
    assert figure.dtype == np.uint8 and figure.shape[1] == 2 * 40 + 3 * 6
    top = 6 + 14  # margin and the band of the first caption
    assert not figure[top : top + 10, 6:46].any()  # 20 x 80 fills 10 x 40
    assert (figure[top + 10 : top + 40, 6:46] == 255).all()
    assert not figure[top : top + 40, 52:92].any()
    assert (figure[:top, 6:46] < 255).any()  # the caption
    assert (figure[-40:, 52:92] == 255).all()
    with pytest.raises(ValueError, match="as many of both"):
        visualize.figure([[wide]], [])
