"""Reducing images, maps and intrinsics, by hand."""

import numpy as np

from tfds_kitti360.resize import reduce_image, reduce_map, resize_intrinsics


def test_images_are_reduced_by_the_mean_of_the_area():
    image = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
    halves = image.reshape(2, 2, 3, 2, 3).mean(axis=(1, 3))
    assert np.abs(reduce_image(image, (2, 3)) - halves).max() <= 0.5
    # 3 -> 2 columns: each new pixel covers one and a half old ones; (2 * 0 + 30) / 3 = 10, (30 + 2 * 90) / 3 = 70
    row = np.array([[0, 30, 90]], np.uint8)[..., None].repeat(3, axis=2)
    assert reduce_image(row, (1, 2))[0, :, 0].tolist() == [10, 70]
    assert reduce_image(image, (4, 6)) is image


def test_maps_take_the_value_at_the_new_centre():
    labels = np.arange(6, dtype=np.uint16)[None] + 10 * np.arange(4, dtype=np.uint16)[:, None]
    # 6 -> 2 columns: centres 0.5 and 1.5 lie at 1.5 and 4.5, in columns 1 and 4; 4 -> 2 rows: 1 and 3
    np.testing.assert_array_equal(reduce_map(labels, (2, 2)), [[11, 14], [31, 34]])
    np.testing.assert_array_equal(reduce_map(labels, (4, 6)), labels)
    # 6 -> 4 columns: centres at 0.75, 2.25, 3.75, 5.25
    np.testing.assert_array_equal(reduce_map(labels, (1, 4)), [[20, 22, 23, 25]])


def test_intrinsics_follow_the_image():
    intrinsics = np.array([[100, 0, 59.5], [0, 80, 9.5], [0, 0, 1.0]])
    halved = resize_intrinsics(intrinsics, old=(20, 120), new=(10, 60))
    # (59.5 + 0.5) / 2 - 0.5 = 29.5: the middle of the image stays the middle
    np.testing.assert_allclose(halved, [[50, 0, 29.5], [0, 40, 4.5], [0, 0, 1]])
    np.testing.assert_allclose(resize_intrinsics(halved, old=(10, 60), new=(20, 120)), intrinsics)


def test_intrinsics_of_the_excerpt_at_192x640():
    intrinsics = np.array([[552.554261, 0, 682.049453], [0, 552.554261, 238.769549], [0, 0, 1]])
    resized = resize_intrinsics(intrinsics, old=(376, 1408), new=(192, 640))
    assert np.isclose(resized[0, 0], 552.554261 / 2.2) and np.isclose(resized[1, 1], 552.554261 * 192 / 376)
    assert np.isclose(resized[0, 2], 682.549453 / 2.2 - 0.5) and np.isclose(resized[1, 2], 239.269549 * 192 / 376 - 0.5)
