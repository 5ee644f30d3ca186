"""Trains, evaluates and uses networks for depth and segmentation: the command `mtl-depth`.

    mtl-depth VERB [--config=instance] [--workdir=RUN] [--config.SECTION.NAME=VALUE ...]

    mtl-depth train --config=tiny:depth --workdir=RUN --config.data.data_dir=TFDS_DIR
    mtl-depth predict street.png --output=DIR
    mtl-depth table RUN [RUN ...]          prints Table 1; mtl-depth table --help

`python -m mtl_depth.main --mode=VERB` and `python -m mtl_depth VERB` are the same command. --config is a file or the
name of a packaged configuration; an existing run contains its own. Every setting of mtl_depth/config.py can be
overridden: --config.train.batch_size=4 --config.tasks.depth.motion=recorded
"""

import contextlib
import io
import os
import pathlib
import re
import sys

from absl import flags, logging
from ml_collections import config_flags

from mtl_depth import config as configuration
from mtl_depth.commands import arguments, help_text
from mtl_depth.errors import UserError
from mtl_depth.runtime import compiler_flags, disk, settings

MODES = {
    "train": "trains to the last step, from the newest checkpoint in --workdir if there is one, and evaluates",
    "evaluate": "scores the run on config.evaluation.split, or on your own pictures with --truth",
    "predict": "writes depth, segmentation, point clouds and a page for --input, or for frames of the evaluation split",
    "export": "writes the network in the format --format for other programs",
    "replay": "repeats the step at which training broke down and prints the first number that was not finite",
    "page": "writes one HTML file that compares the given runs: scores, curves, predictions",
    "push": "uploads a run or `starter` to the Hugging Face hub: mtl-depth push RUN OWNER/NAME",
    "pull": "downloads a pushed run or model: mtl-depth pull OWNER/NAME FOLDER",
    "serve": "serves the page for pictures that are dropped on it or taken with the browser's camera",
}
STARTER = ("predict", "serve")  # verbs that use the starter model where neither --config nor --workdir is given
OF_WORDS = ("page", "push", "pull")  # verbs that take arguments without flags and need no configuration
WORDS = ("predict", "evaluate", "replay")  # verbs whose first argument is their --input
NO_CONFIG = "--config=FILE is needed, such as --config=instance, or the --workdir of a run; --help lists all flags."

_ARGV: list[str] = []  # the command line that is parsed; ml_collections looks for overrides of the configuration in it
_CONFIG = config_flags.DEFINE_config_file(
    "config",
    default=None,
    help_string="Configuration: a file, such as configs/instance.py or configs/tiny.py:instance, or the name of a "
    "packaged one, such as instance or tiny:instance; by default that of the run in --workdir. "
    "--config.SECTION.NAME=VALUE overrides a setting.",
    lock_config=False,
    sys_argv=_ARGV,
)
_WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the run: checkpoints, metrics, evaluation, pictures.")
_MODE = flags.DEFINE_enum("mode", "train", list(MODES), "The verb.")
_INPUT = flags.DEFINE_string(
    "input",
    None,
    "predict, page, evaluate --truth: a picture, a folder, a pattern ('a/*.png') or a video; by default frames of the "
    "evaluation split. replay: a replay_<step>.npz; by default the newest of the run.",
)
_WRITE = flags.DEFINE_list(
    "write",
    [],
    "predict: what to write: all, or a list of depth, color, labels, npy, cloud, video, figure and page; "
    "the default depends on the input.",
)
_INTRINSICS = flags.DEFINE_string(
    "intrinsics",
    "",
    "predict, page, serve, evaluate --truth: fx,fy,cx,cy in pixels of the input, or a file with them; by default "
    "the data set's.",
)
_TRUTH = flags.DEFINE_string(
    "truth", None, "evaluate: folder of depth maps (16-bit PNG or .npy) named like the pictures of --input."
)
_TRUTH_SCALE = flags.DEFINE_float("truth_scale", 256.0, "evaluate: value in a PNG of --truth for one metre.")
_OUTPUT = flags.DEFINE_string("output", None, "predict, export: folder to write into; page: the HTML file.")
_FORMAT = flags.DEFINE_string(
    "format", "monodepth2", "export: kitti360 (a submission), monodepth2, onnx, safetensors or stablehlo."
)
_PORT = flags.DEFINE_integer("port", 8765, "serve: port of the page, as in http://127.0.0.1:8765; 0: any free one.")
_HOST = flags.DEFINE_string(
    "host", "127.0.0.1", "serve: the address to listen on; 0.0.0.0 also gives other machines access to the model."
)
_SMOOTH = flags.DEFINE_bool(
    "smooth", False, "predict: reduce flicker in the depth of a video by blending each frame with the previous ones."
)
_DRY_RUN = flags.DEFINE_bool(
    "dry_run", False, "train: only print parameters, memory, clips, steps and hours of the training."
)
_BATCH = flags.DEFINE_string("batch", "free", "export: batch size of the exported program: a number, or free.")

ONLY = {
    "input": ("predict", "evaluate", "replay", "page"),
    "write": ("predict",),
    "smooth": ("predict",),
    "intrinsics": ("predict", "page", "serve", "evaluate"),
    "truth": ("evaluate",),
    "truth_scale": ("evaluate",),
    "output": ("predict", "export", "page"),
    "port": ("serve",),
    "host": ("serve",),
    "format": ("export",),
    "batch": ("export",),
    "dry_run": ("train",),
}  # flag -> the modes that read it; with other modes it is an error, not silently ignored
EMPTY = ("workdir", "input", "output", "truth", "intrinsics")  # flags that must not be given without a value


def main() -> int:
    """Runs the command line in sys.argv; exit status 0, or 2 for a user's mistake."""
    compiler_flags.avoid_wrong_reductions()
    for stream in (sys.stdout, sys.stderr):  # file names may contain characters that the terminal's encoding lacks
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        if sys.argv[1:2] == ["table"]:
            from mtl_depth import table

            return table.main(sys.argv[2:])
        words = _parse(sys.argv)
        with disk.reporting_refusals(_OUTPUT.value or _WORKDIR.value or "."):
            _dispatch(words)
        sys.stdout.flush()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # the reader of our output has closed it, as in `--help | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        return 130
    return 0


def _dispatch(words: list[str]) -> None:
    config = _CONFIG.value
    replays_a_file = _MODE.value == "replay" and _INPUT.value
    if not isinstance(config, configuration.Config) and _MODE.value not in OF_WORDS and not replays_a_file:
        raise UserError(NO_CONFIG)
    if isinstance(config, configuration.Config):
        settings.check(config)
    needless = replays_a_file or _DRY_RUN.value or _MODE.value in ("push", "pull")
    needless = needless or (_MODE.value in ("predict", "export", "serve") and config.weights)
    if not _WORKDIR.value and not words and not needless:
        raise UserError("--workdir=DIR is needed: the folder of the run.")
    for name, modes in ONLY.items():
        if flags.FLAGS[name].present and _MODE.value not in modes:
            raise UserError(f"--{name} is for --mode={' or --mode='.join(modes)}, not for --mode={_MODE.value}.")
    if empty := [name for name in EMPTY if flags.FLAGS[name].present and not flags.FLAGS[name].value.strip()]:
        raise UserError(f"--{empty[0]} has an empty value; give one, or leave the flag out.")
    if _MODE.value == "evaluate" and _INTRINSICS.value and not _TRUTH.value:
        raise UserError("--mode=evaluate --intrinsics is for --truth=FOLDER; a data set has its own.")
    if _MODE.value == "evaluate" and _INPUT.value and not _TRUTH.value:
        raise UserError("--mode=evaluate --input needs --truth=FOLDER too; without both, the data set is evaluated.")
    workdir = pathlib.Path(_WORKDIR.value or ".")
    _use_compilation_cache()
    logging.set_verbosity(logging.ERROR)  # Orbax warns about things that are intended
    # Imported late, so that `--help` and errors in the flags are printed at once.
    if _MODE.value == "train":
        from mtl_depth.commands import dry_run, train
        from mtl_depth.runtime import distributed

        several, verb = distributed.connect(), dry_run if _DRY_RUN.value else train
        with distributed.reporting_lost_processes() if several else contextlib.nullcontext():
            verb.run(config, workdir, typed=arguments.settings_in(_ARGV))
    elif _MODE.value == "evaluate" and _TRUTH.value:
        from mtl_depth.commands import evaluate_folder

        evaluate_folder.run(
            config, workdir, input=_INPUT.value, truth=_TRUTH.value, scale=_TRUTH_SCALE.value, camera=_INTRINSICS.value
        )
    elif _MODE.value == "evaluate":
        from mtl_depth.commands import evaluate

        evaluate.run(config, workdir)
    elif _MODE.value == "predict":
        from mtl_depth.commands import predict

        options = {"write": _WRITE.value, "camera": _INTRINSICS.value, "smooth": _SMOOTH.value}
        predict.run(config, workdir, _INPUT.value, _OUTPUT.value, **options)
    elif _MODE.value == "replay":
        from mtl_depth.commands import replay

        replay.run(workdir, _INPUT.value)
    elif _MODE.value == "page":
        from mtl_depth.commands import page

        page.run(words or [workdir], _INPUT.value, _OUTPUT.value, camera=_INTRINSICS.value)
    elif _MODE.value in ("push", "pull"):
        from mtl_depth.commands import share

        getattr(share, _MODE.value)(words)
    elif _MODE.value == "serve":
        from mtl_depth.commands import serve

        serve.run(config, workdir, host=_HOST.value, port=_PORT.value, camera=_INTRINSICS.value)
    else:
        from mtl_depth.commands import export

        export.run(config, workdir, _FORMAT.value, _OUTPUT.value, batch=_BATCH.value)


def _parse(argv: list[str]) -> list[str]:
    """Parses the flags and returns the other words; errors of absl and ml_collections become a UserError."""
    _ARGV[:] = arguments.as_flags(argv, MODES, starter=STARTER)
    asked = [word for word in _ARGV if word in ("--help", "-h", "-help")]
    for word in asked:
        _ARGV.remove(word)
    flags.FLAGS.set_gnu_getopt()  # words may stand between flags
    try:
        rest = flags.FLAGS(_ARGV)[1:]
    except flags.UnrecognizedFlagError as error:
        if error.flagname.startswith("config."):  # there is no --config that it could belong to
            raise UserError(NO_CONFIG) from None
        hint = help_text.nearest_flag(error.flagname, [name for name in flags.FLAGS if "." not in name])
        raise UserError(f"--{error.flagname} is not a flag; {hint}") from None
    except flags.Error as error:
        raise UserError(help_text.refused(str(error), MODES)) from None
    except (KeyError, AttributeError, TypeError, ValueError) as error:
        raise UserError(_setting_sentence(error)) from None
    if asked:
        known = flags.FLAGS.get_key_flags_for_module("__main__" if __name__ == "__main__" else __name__)
        plain = [(flag.name, flag.default_unparsed, flag.help) for flag in known]
        print(help_text.text(__doc__, MODES, plain, config=_CONFIG.value))
        sys.stdout.flush()
        raise SystemExit(0)
    if rest and _MODE.value in WORDS and not _INPUT.present:
        flags.FLAGS["input"].parse(rest.pop(0))
    if rest and _MODE.value not in OF_WORDS:
        raise UserError(f"{rest[0]!r} is not a flag; {help_text.nearest_verb(rest[0], MODES)}")
    return rest


def _setting_sentence(error: Exception) -> str:
    """The message for the `--config.x.y=z` that is wrong, with the nearest names."""
    for word in _ARGV[1:]:
        match = re.match(r"--?(?:no)?(config\.[\w.]+)(=.*)?$", word)
        if match and (sentence := help_text.misspelt(match[1]) or help_text.without_section(match[1], error)):
            return sentence
    detail = error.args[0] if error.args else error
    return f"The configuration cannot be used: {detail}"


def _use_compilation_cache() -> None:
    """Caches compiled programs on disk, so that the next start of the same training is fast."""
    import jax

    if jax.config.jax_compilation_cache_dir is None:
        home = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache"))
        jax.config.update("jax_compilation_cache_dir", str(home / "mtl_depth" / "compiled"))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)


if __name__ == "__main__":
    sys.exit(main())
