"""KITTI-360 as a TFDS data set, without TensorFlow: each drive is a split, in frame order."""

import contextlib
import functools
import hashlib
import pathlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, ClassVar

import numpy as np
import tensorflow_datasets as tfds
from array_record.python import array_record_module
from tensorflow_datasets.core import example_serializer

from tfds_kitti360 import metadata
from tfds_kitti360 import plan as planning
from tfds_kitti360.frames import encode_frame, use_one_thread
from tfds_kitti360.parallel import ordered_map
from tfds_kitti360.progress import progress
from tfds_kitti360.survey import Drive

_SHARD_BYTES = 256 << 20


class Builder(tfds.core.GeneratorBasedBuilder):
    """Builds and reads KITTI-360; `info.metadata` holds the plan of frames (`plan.metadata_of`, `plan.describe`)."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES: ClassVar[dict[str, str]] = {
        "1.0.0": "A split for each drive, frames in order, sparse depth from motion-corrected single scans.",
    }
    MANUAL_DOWNLOAD_INSTRUCTIONS = """
KITTI-360 is free for non-commercial use after registration on its home page. Unpack these archives below one folder,
the manual_dir, keeping their inner paths. Sizes are approximate; a part (some drives, no labels, no scans) works too.

  archive                                 size     gives
  Calibrations                            3 KB     calibration/{perspective,calib_cam_to_pose,calib_cam_to_velo}.txt
  Vehicle Poses                           9 MB     data_poses/<drive>/{poses,cam0_to_world}.txt
  Perspective Images for Train & Val      124 GB   data_2d_raw/<drive>/image_{00,01}/data_rect/<frame>.png
  Test Semantic                           1.5 GB   data_2d_test/<drive>/image_00/data_rect/<frame>.png
  Semantics of Left Perspective Camera    2 GB     data_2d_semantics/train/<drive>/image_00/{semantic,instance}/
                                                   data_2d_semantics/train/2013_05_28_drive_{train,val}_frames.txt
  Confidence of Left Perspective Camera   44 GB    data_2d_semantics/train/<drive>/image_00/confidence/<frame>.png
  Raw Velodyne Scans                      119 GB   data_3d_raw/<drive>/velodyne_points/data/<frame>.bin

Only the calibrations and the left images are needed. Then run

  python -m tfds_kitti360.build --manual_dir=KITTI360_ROOT --data_dir=TFDS_DIR
"""

    def __init__(
        self,
        *,
        size: tuple[int, int] = (192, 640),
        drives: Sequence[int] = (),
        stereo: bool = False,
        storage: str = "png",
        skip_damaged: bool = False,
        workers: int = 1,
        camera: str = "calibrated",
        **kwargs: Any,
    ):
        """Args other than `kwargs` (those of any TFDS builder) matter for building only; see `plan.make_plan` and, for
        `camera`, `metadata.CAMERAS`."""
        self._asked = {"size": tuple(size), "drives": tuple(drives), "stereo": stereo, "storage": storage}
        self._skip_damaged, self._workers, self._camera = skip_damaged, workers, camera
        super().__init__(**{"file_format": "array_record", **kwargs})

    def prepare(self, manual_dir: pathlib.Path) -> None:
        """Builds from the download below `manual_dir`, with our own progress bar instead of those of TFDS."""
        tfds.disable_progress_bar()
        with contextlib.redirect_stdout(None):  # TFDS announces a download, and there is none
            self.download_and_prepare(download_config=tfds.download.DownloadConfig(manual_dir=str(manual_dir)))

    def _info(self) -> tfds.core.DatasetInfo:
        info = self.dataset_info_from_configs(
            features=_features(**{name: self._asked[name] for name in ("size", "stereo", "storage")}),
            disable_shuffling=True,
            metadata=tfds.core.MetadataDict(),
        )
        info.initialize_from_bucket = lambda: None  # it finds nothing and leaves an empty folder in /tmp each time
        info.write_to_directory = functools.partial(_write_sealed, info.write_to_directory)
        return info

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Iterator]:
        root = pathlib.Path(dl_manager.manual_dir)
        self._plan = planning.make_plan(root, **self._asked, skip_damaged=self._skip_damaged)
        self.info.metadata.update(
            **planning.metadata_of(self._plan, camera=self._camera), settings=planning.settings_of(root, **self._asked)
        )
        frames = [frame for drive in self._plan.drives for frame in drive.frames]
        encode = functools.partial(encode_frame, recipe=self._plan.recipe)
        records = ordered_map(encode, frames, workers=self._workers, initializer=use_one_thread)
        self._bar = progress(total=len(frames), unit=" frames", desc="building")
        return {f"drive_{drive.id:04d}": self._generate_examples(drive, records) for drive in self._plan.drives}

    def _generate_examples(self, drive: Drive, records: Iterator) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yields (frame id, record) in frame order, then adds the drive to the metadata.

        `records` yields the frames of all drives, one drive after the other.
        """
        kept, content = [], hashlib.sha256()
        for frame, record in zip(drive.frames, records):
            self._bar.update()
            if isinstance(record, str):
                self.info.metadata["skipped"].append(record)
            else:
                kept.append(frame)
                content.update(record.pop("digest"))
                yield frame.id, {**record, "drive": drive.id}
        if kept:
            described = planning.describe(drive.id, kept, self._plan.lists, content=content.hexdigest()[:16])
            self.info.metadata["drives"][f"{drive.id:04d}"] = described

    def _generate_splits(self, dl_manager, download_config) -> list[tfds.core.SplitInfo]:
        """Streams each drive into its shards.

        TFDS's own writer first collects a split, up to 1 GB in memory and more through TensorFlow, which we do not use.
        """
        generators = self._split_generators(dl_manager)
        with self._bar:
            infos = [self._write_split(split, examples) for split, examples in generators.items()]
        planning.check_clips(self._plan, list(self.info.metadata["drives"].values()))
        return [info for info in infos if info.num_examples]

    def _write_split(self, split: str, examples: Iterable[tuple[int, dict[str, Any]]]) -> tfds.core.SplitInfo:
        """Writes the shards under temporary names, because the final names contain the number of shards."""
        features, template = self.info.features, self._get_filename_template(split)
        serializer = example_serializer.ExampleSerializer(features.get_serialized_info())
        shards: list[tuple[pathlib.Path, int]] = []
        examples, total, more = iter(examples), 0, True
        while more:
            path = pathlib.Path(self.data_dir) / f"{split}.shard{len(shards)}"
            with _write_errors(path):
                writer = array_record_module.ArrayRecordWriter(str(path), "group_size:1,uncompressed")  # images are
            count, written, more = 0, 0, False
            for _, example in examples:
                data = serializer.serialize_example(features.encode_example(example))
                with _write_errors(path):
                    writer.write(data)
                count, written = count + 1, written + len(data)
                if written >= _SHARD_BYTES:
                    more = True
                    break
            with _write_errors(path):
                writer.close()
            total += written
            if count:
                shards.append((path, count))
            else:
                path.unlink()
        for index, (path, _) in enumerate(shards):
            path.rename(template.sharded_filepath(shard_index=index, num_shards=len(shards)))
        return tfds.core.SplitInfo(
            name=split, shard_lengths=[count for _, count in shards], num_bytes=total, filename_template=template
        )


@contextlib.contextmanager
def _write_errors(path: pathlib.Path) -> Iterator[None]:
    """Converts the RuntimeError that the writer of records raises for a full disk."""
    try:
        yield
    except RuntimeError as error:
        raise OSError(0, f"{path.name}: {str(error).splitlines()[0]}") from None


def _write_sealed(write: Callable[..., None], folder: Any, *arguments: Any, **options: Any) -> None:
    write(folder, *arguments, **options)
    metadata.seal(pathlib.Path(folder))


def _features(*, size: tuple[int, int], stereo: bool, storage: str) -> tfds.features.FeaturesDict:
    def image(doc: str) -> tfds.features.Image | tfds.features.Tensor:
        shape = (*size, 3)
        if storage == "raw":
            return tfds.features.Tensor(shape=shape, dtype=np.uint8, encoding=tfds.features.Encoding.BYTES, doc=doc)
        return tfds.features.Image(shape=shape, encoding_format=storage, doc=doc)

    def plane(dtype: type, doc: str) -> tfds.features.Image:
        return tfds.features.Image(shape=(None, None, 1), dtype=dtype, encoding_format="png", doc=doc)

    def scalar(dtype: type, doc: str) -> tfds.features.Scalar:
        return tfds.features.Scalar(dtype=dtype, doc=doc)

    def matrix(side: int, doc: str) -> tfds.features.Tensor:
        # As bytes: the default encoding keeps float32 only, and world coordinates are kilometres.
        return tfds.features.Tensor(
            shape=(side, side), dtype=np.float64, encoding=tfds.features.Encoding.BYTES, doc=doc
        )

    right = {
        "image_right": image("Rectified right image, as `image`; black where has_right is false."),
        "has_right": scalar(np.bool_, "Whether there is a right image."),
    }
    return tfds.features.FeaturesDict(
        {
            "image": image(
                "Rectified left image, RGB, reduced to the build's size by the mean of the area of each pixel."
            ),
            "intrinsics": matrix(3, "Camera matrix of `image`, pixels; (0, 0) is the centre of the top left pixel."),
            "pose": matrix(4, "cam0_to_world: rectified left camera (x right, y down, z forward) to world, metres."),
            "semantic": plane(np.uint8, "Label id (not train id) of each pixel at full size; 0: none."),
            "instance": plane(np.uint16, "Label id * 1000 + instance number (0: no instance) at full size; 0: none."),
            "confidence": plane(np.uint16, "Confidence of the label * 65535 at full size."),
            "semantic_reduced": plane(np.uint8, "`semantic` at the size of `image`: the value at each pixel's centre."),
            "instance_reduced": plane(np.uint16, "`instance` at the size of `image`, likewise."),
            "confidence_reduced": plane(np.uint16, "`confidence` at the size of `image`, likewise."),
            "depth": plane(np.uint16, "Camera z in metres * 256 of the nearest laser return at full size; 0: unknown."),
            "drive": scalar(np.int32, "Number of the drive."),
            "frame": scalar(np.int32, "Frame number, as in the file names."),
            "has_pose": scalar(np.bool_, "Whether the pose is known; else it is the identity."),
            "has_semantic": scalar(np.bool_, "Whether there is a semantic image; else it is 0."),
            "has_instance": scalar(np.bool_, "Whether there is an instance image; else it is 0."),
            "has_confidence": scalar(np.bool_, "Whether there is a confidence image; else it is 0."),
            "has_depth": scalar(np.bool_, "Whether there is a scan; else depth is 0."),
            **(right if stereo else {}),
        }
    )
