"""The label table of KITTI-360: ids, names, train ids, flags and colours."""

from typing import NamedTuple

import numpy as np

IGNORED = 255  # the train id of everything that is not one of the 19 training classes


class Label(NamedTuple):
    """One row; `train_id` is 255 outside the 19 training classes, -1 for the licence plate, which no image holds."""

    id: int
    name: str
    train_id: int
    category: str
    has_instances: bool
    ignore_in_eval: bool
    ignore_in_instance_eval: bool
    color: tuple[int, int, int]  # red, green, blue


# fmt: off
#         id  name             train category  instances ignored ignored as instance  colour
LABELS: tuple[Label, ...] = (
    Label(-1, "license plate", -1, "vehicle", False, True, True, (0, 0, 142)),
    Label(0, "unlabeled", 255, "void", False, True, True, (0, 0, 0)),
    Label(1, "ego vehicle", 255, "void", False, True, True, (0, 0, 0)),
    Label(2, "rectification border", 255, "void", False, True, True, (0, 0, 0)),
    Label(3, "out of roi", 255, "void", False, True, True, (0, 0, 0)),
    Label(4, "static", 255, "void", False, True, True, (0, 0, 0)),
    Label(5, "dynamic", 255, "void", False, True, True, (111, 74, 0)),
    Label(6, "ground", 255, "void", False, True, True, (81, 0, 81)),
    Label(7, "road", 0, "flat", False, False, False, (128, 64, 128)),
    Label(8, "sidewalk", 1, "flat", False, False, False, (244, 35, 232)),
    Label(9, "parking", 255, "flat", False, True, True, (250, 170, 160)),
    Label(10, "rail track", 255, "flat", False, True, True, (230, 150, 140)),
    Label(11, "building", 2, "construction", True, False, False, (70, 70, 70)),
    Label(12, "wall", 3, "construction", False, False, False, (102, 102, 156)),
    Label(13, "fence", 4, "construction", False, False, False, (190, 153, 153)),
    Label(14, "guard rail", 255, "construction", False, True, True, (180, 165, 180)),
    Label(15, "bridge", 255, "construction", False, True, True, (150, 100, 100)),
    Label(16, "tunnel", 255, "construction", False, True, True, (150, 120, 90)),
    Label(17, "pole", 5, "object", True, False, True, (153, 153, 153)),
    Label(18, "polegroup", 255, "object", False, True, True, (153, 153, 153)),
    Label(19, "traffic light", 6, "object", True, False, True, (250, 170, 30)),
    Label(20, "traffic sign", 7, "object", True, False, True, (220, 220, 0)),
    Label(21, "vegetation", 8, "nature", False, False, False, (107, 142, 35)),
    Label(22, "terrain", 9, "nature", False, False, False, (152, 251, 152)),
    Label(23, "sky", 10, "sky", False, False, False, (70, 130, 180)),
    Label(24, "person", 11, "human", True, False, False, (220, 20, 60)),
    Label(25, "rider", 12, "human", True, False, False, (255, 0, 0)),
    Label(26, "car", 13, "vehicle", True, False, False, (0, 0, 142)),
    Label(27, "truck", 14, "vehicle", True, False, False, (0, 0, 70)),
    Label(28, "bus", 15, "vehicle", True, False, False, (0, 60, 100)),
    Label(29, "caravan", 255, "vehicle", True, True, True, (0, 0, 90)),
    Label(30, "trailer", 255, "vehicle", True, True, True, (0, 0, 110)),
    Label(31, "train", 16, "vehicle", True, False, False, (0, 80, 100)),
    Label(32, "motorcycle", 17, "vehicle", True, False, False, (0, 0, 230)),
    Label(33, "bicycle", 18, "vehicle", True, False, False, (119, 11, 32)),
    Label(34, "garage", 2, "construction", True, True, True, (64, 128, 128)),
    Label(35, "gate", 4, "construction", False, True, True, (190, 153, 153)),
    Label(36, "stop", 255, "construction", True, True, True, (150, 120, 90)),
    Label(37, "smallpole", 5, "object", True, True, True, (153, 153, 153)),
    Label(38, "lamp", 255, "object", True, True, True, (0, 64, 64)),
    Label(39, "trash bin", 255, "object", True, True, True, (0, 128, 192)),
    Label(40, "vending machine", 255, "object", True, True, True, (128, 64, 0)),
    Label(41, "box", 255, "object", True, True, True, (64, 64, 128)),
    Label(42, "unknown construction", 255, "void", False, True, True, (102, 0, 0)),
    Label(43, "unknown vehicle", 255, "void", False, True, True, (51, 0, 51)),
    Label(44, "unknown object", 255, "void", False, True, True, (32, 32, 32)),
)
# fmt: on

BY_NAME: dict[str, Label] = {label.name: label for label in LABELS}


def _train_id_table() -> np.ndarray:
    table = np.full(256, IGNORED, np.uint8)
    for label in LABELS:
        if label.id >= 0 and label.train_id >= 0:
            table[label.id] = label.train_id
    table.flags.writeable = False
    return table


train_id_from_id: np.ndarray = _train_id_table()
"""uint8 [256]: train id of each label id, 255 for ids that are not trained on or not in the table."""
