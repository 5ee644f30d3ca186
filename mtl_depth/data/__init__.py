"""The built data set: planning (`dataset`), reading (`batches`), and the label table, without heavy imports."""

from mtl_depth.data.batches import Batch, evaluation_batches, pair_batches, train_batches
from mtl_depth.data.dataset import READS, TRUTHS, Clip, Dataset, clips, frames, open_dataset, why_no_clip
from tfds_kitti360.labels import LABELS, train_id_from_id

__all__ = ["LABELS", "READS", "TRUTHS", "Batch", "Clip", "Dataset", "clips", "evaluation_batches", "frames"]
__all__ += ["open_dataset", "pair_batches", "train_batches", "train_id_from_id", "why_no_clip"]
