"""Mistakes in looking through a run at pictures, and in handing it on to other programs."""

import dataclasses
import json
import sys

import cv2
import fake_run
import jax.numpy as jnp
import numpy as np
import PIL.Image
from messages.rows import Row, main, row, saved, written

from mtl_depth.commands import export, predict
from mtl_depth.evaluation import submission
from mtl_depth.media import image_files, inputs, video_writer
from mtl_depth.models import network
from mtl_depth.prediction import loading, output_folder

IMAGE = jnp.zeros((1, *fake_run.SIZE, 3))
NO_PICTURE = "no picture"


def exporting(format, *, weights="", output=True, **options):
    def provoke(at):
        config = fake_run.config("depth")
        config.weights = weights
        export.run(config, fake_run.folder("depth"), format, at / "out" if output else None, **options)

    return provoke


def exporting_program(at, patch):
    program = dataclasses.replace(fake_run.perceiver("depth"), network=None, variables=None, program=dict)
    patch.setattr("mtl_depth.inference.load_perceiver", lambda path, **_: program)
    exporting("onnx", weights="export")(at)


def exporting_over_weights(at, patch):
    patch.setattr("mtl_depth.inference.load_perceiver", lambda path, **_: fake_run.perceiver("depth"))
    exporting("safetensors", weights=str(at / "out"))(at)


def without(name, provoke):
    """As if a library were not installed."""

    def changed(at, patch):
        patch.setitem(sys.modules, name, None)
        provoke(at)

    return changed


def described(content, *, name="model.stablehlo", program=b"no program"):
    """Loading an export beside a description."""

    def provoke(at):
        written(at / name, program)
        if content is not None:
            written(at / "model.json", content)
        loading.load_perceiver(at)

    return provoke


def closed_export(at, patch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    patch.setattr(loading, "from_dict", refuse)
    described(DESCRIPTION)(at)


def cut_picture(at):
    saved(at / "a.png", np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8))
    whole = (at / "a.png").read_bytes()
    with PIL.Image.open(written(at / "cut.png", whole[: len(whole) // 2])) as picture:
        image_files.from_pil(picture)


DESCRIPTION = json.dumps({"config": {}, "batch": "free", "flip": False})


def other_safetensors(at):
    exporting("safetensors")(at)
    path = at / "out" / "model.safetensors"
    import safetensors.numpy

    with safetensors.safe_open(path, "numpy") as file:
        metadata, arrays = file.metadata(), {name: file.get_tensor(name) for name in list(file.keys())[1:]}
    safetensors.numpy.save_file(arrays, path, metadata=metadata)
    loading.load_perceiver(path)


def submitting(kind):
    """Of a network that answers nothing else."""

    def provoke(at):
        folder = at / "raw/data_2d_test/2013_05_28_drive_0008_sync/image_00/data_rect"
        saved(folder / "0000000002.png", np.zeros((8, 8, 3), np.uint8))
        submission.write(at / "raw", at / "out", lambda image: {kind: np.ones(image.shape[:3])})

    return provoke


def predicting(given, *, output="out"):
    """Looking through the run at files; `given` holds them by name."""

    def provoke(at):
        for name, content in given.items():
            saved(at / "in" / name, content)
        predict.run(fake_run.config("depth"), fake_run.folder("depth"), at / "in", at / output)

    return provoke


def predicting_nothing(at, patch):
    fake_run.install(patch, splits=())
    predict.run(fake_run.config("depth"), fake_run.folder("depth"), output=at / "out")


def smoothing_one_picture(at):
    saved(at / "in" / "a.png", np.zeros((64, 96, 3), np.uint8))
    predict.run(fake_run.config("depth"), fake_run.folder("depth"), at / "in", at / "out", smooth=True)


def found(*names):
    def provoke(at):
        for name in names:
            written(at / "in" / name, NO_PICTURE)
        inputs.find(at / "in")

    return provoke


def filming(at, patch):
    class Writer:
        fourcc = staticmethod(lambda *_: 0)

        def __init__(self, *_): ...

        def isOpened(self):
            return False

    patch.setattr(cv2, "VideoWriter", Writer)
    video_writer.Film(at / "depth.mp4", 10.0).add([np.zeros((4, 4, 3), np.uint8)])


ROWS: list[Row] = [
    row("commands.predict.run: --smooth", "one picture to smooth", smoothing_one_picture, "--smooth is for", "--input"),
    # looking through it
    row("commands.predict.run: --write", "a word that --write does not have",
        main("--config=configs/depth.py", "--workdir={at}", "--mode=predict", "--write=clouds"),
        "--write=clouds does not exist", "there are all, depth"),
    row("prediction.output_folder.check_apart: --output is", "the input's folder as output",
        predicting({"a.png": np.zeros((8, 8, 3), np.uint8)}, output="in"),
        "--output is the folder of the input, {at}/in"),
    row("prediction.output_folder.check_apart: --output={} lies", "an output inside the input's folder",
        predicting({"a.png": np.zeros((8, 8, 3), np.uint8)}, output="in/out"),
        "--output={at}/in/out lies inside the input {at}/in"),
    row("prediction.output_folder._is_free", "a file as output",
        lambda at: output_folder.open_folder(written(at / "out")), "{at}/out is a file", "give a folder"),
    row("prediction.output_folder.check_replaceable", "an export over published weights",
        lambda at: output_folder.check_replaceable(written(at / "encoder.pth").parent, ["depth.pth", "encoder.pth"]),
        "{at}/encoder.pth is not a result of an earlier", "--output"),
    row("commands.predict.predict_footage", "no picture that can be read", predicting({"a.png": b"no picture"}),
        "None of the 1 pictures", "{at}/in/a.png cannot be read"),
    row("commands.predict.evaluation_frames", "nothing to show", predicting_nothing, "The split val of data",
        "--input"),
    row("media.inputs._files", "a wrong path of the input",
        main("--config=configs/depth.py", "--workdir={at}", "--mode=predict", "--input={at}/absent.png"),
        "{at}/absent.png does not exist", "a folder of pictures"),
    row("media.inputs.find: {} holds", "two videos", found("a.mp4", "b.mp4"), "{at}/in holds 2 videos",
        "one at a time"),
    row("media.inputs.find: {} {};", "nothing that is read", found("a.txt"), "{at}/in holds no picture and no video",
        ".mp4"),
    row("data.footage._user_errors", "a video that is none", found("a.mp4"), "{at}/in/a.mp4 cannot be read as a video",
        "convert it"),
    row("media.video_writer.Film._open", "no encoder of videos", filming, "{at}/depth.mp4 cannot be written",
        "leave out video"),
    row("media.image_files.from_pil", "a cut picture", cut_picture, "size=8x8", "cannot be read"),
    row("media.image_files._write_bytes", "a picture that cannot be written",
        lambda at: image_files.write_depth(at / "absent/a.png", np.ones((2, 2))),
        "{at}/absent/a.png cannot be written"),
    row("prediction.pictures._refusal", "a picture that is none",
        lambda at: fake_run.perceiver("depth").depth(np.full((8, 9, 3), 2.0)), "float64 [8 9 3]", "up to 2:", "0 to 1"),
    row("prediction.cameras.for_each", "intrinsics that are none",
        lambda at: fake_run.perceiver("depth").depth(np.zeros((8, 9, 3), np.uint8), intrinsics=(1, 2)),
        "intrinsics='(1, 2)' are not those of 1 pictures", "3x3"),
    row("prediction.predictor.Perceiver._each", "depth of a network without it",
        lambda at: fake_run.perceiver("semantic").depth(np.zeros((8, 8, 3), np.uint8)), "config.tasks.depth"),
    row("prediction.predictor.Perceiver.motion", "motion of a network without it",
        lambda at: fake_run.perceiver("semantic").motion(IMAGE, IMAGE), "no pose network", "config.tasks.depth.motion"),
    row("models.network.Network.motion", "motion of a network without it",
        lambda at: network.make_network(heads=()).apply({}, IMAGE, IMAGE, method="motion"),
        "no pose network", "config.tasks.depth.motion"),
    # handing it on
    row("commands.export.run: --format", "an unknown format", exporting("tflite"), "--format=tflite does not exist",
        "onnx"),
    row("commands.export.run: --output=DIR", "no folder to export into", exporting("onnx", output=False),
        "--output=DIR is needed"),
    row("commands.export.run: --batch", "a batch that is no number", exporting("onnx", batch="some"), "--batch=some",
        "free"),
    row("commands.export.run: --output is", "the weights' own folder as output", exporting_over_weights,
        "--output is the folder of config.weights, {at}/out"),
    row("commands.export.run: {} is an exported", "exporting an export", exporting_program,
        "export is an exported program"),
    row("commands.export.write_onnx", "no library for ONNX", without("jax2onnx", exporting("onnx")), "--format=onnx",
        "pip install -c constraints.txt -e '.[onnx]'"),
    row("commands.export.write_kitti360", "a submission without test images", exporting("kitti360"),
        "--config.data.manual_dir=KITTI360_ROOT"),
    row("evaluation.submission.write: {} holds", "a download without test images",
        lambda at: submission.write(at, at / "out", dict), "{at} holds no data_2d_test", "unpack"),
    row("evaluation.submission.write: This network", "a submission of depth", submitting("depth"),
        "semantics or instances", "--format"),
    row("evaluation.submission.write: The instances", "a submission of a value map", submitting("instances"),
        "no scores", "config.tasks.instance.head=panoptic"),
    row("prediction.loading._load_export: {} is an exported", "flipping in an exported program",
        lambda at: loading.load_perceiver(written(at / "model.stablehlo").parent, flip=True),
        "{at}/model.stablehlo is an exported program", "--config.evaluation.flip=True"),
    row("prediction.loading._load_export: {} cannot be read", "an export that may not be read", closed_export,
        "{at}/model.stablehlo cannot be read (Permission denied)", "make it readable"),
    row("prediction.loading._load_export: {} cannot be loaded", "an export that is none", described(DESCRIPTION),
        "{at}/model.stablehlo cannot be loaded", "export it again"),
    row("prediction.loading.load_perceiver: config.evaluation", "an average that does not exist",
        lambda at: loading.load_perceiver(at, flip="both"), "config.evaluation.flip_average='both'", "monodepth2"),
    row("prediction.loading._load_export: {} was written", "an export that is too old",
        described(json.dumps({**json.loads(DESCRIPTION), "jax": "0.1", "readable_until": "2020-01-31"})),
        "{at}/model.stablehlo was written by jax 0.1", "until 2020-01-31", "export the run again"),
    row("prediction.loading._describe: {}, the description", "an export without its description", described(None),
        "{at}/model.json, the description of model.stablehlo", "export it again"),
    row("prediction.loading._describe: {} does not", "a description of nothing", described("{}"),
        "{at}/model.json does not describe model.stablehlo"),
    row("prediction.loading._load_safetensors: {} is damaged", "half a safetensors export",
        described(None, name="model.safetensors"), "{at}/model.safetensors is damaged", "export it again"),
    row("prediction.loading._load_safetensors: {} does not fit", "an export of another version", other_safetensors,
        "{at}/out/model.safetensors does not fit this version"),
    row("prediction.loading._read_onnx", "no library that runs ONNX",
        without("onnxruntime", lambda at: loading._read_onnx(at / "model.onnx", {})),
        "{at}/model.onnx needs onnxruntime",
        "pip install"),
]  # fmt: skip
