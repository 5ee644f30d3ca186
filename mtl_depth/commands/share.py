"""`mtl-depth push` and `mtl-depth pull`: a run, an export or the starter model to the Hugging Face hub, and back."""

import contextlib
import dataclasses
import os
import pathlib
import shlex
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from typing import Any

from mtl_depth import inference
from mtl_depth.config import Config, to_dict
from mtl_depth.errors import UserError
from mtl_depth.evaluation import model_card
from mtl_depth.prediction.loading import EXPORTS, STARTER, STARTER_FILE
from mtl_depth.runtime import checkpoint, disk, log, record
from mtl_depth.runtime.run_folder import load_config

RECORDS = ("metrics.jsonl", "evaluation.json", model_card.NAME)  # of a run; the card becomes README.md
FILES = ("config.json", "dataset.json", *RECORDS, "README.md", "checkpoints/*", *EXPORTS, "model.json")
HEADER = "---\nlibrary_name: mtl_depth\npipeline_tag: depth-estimation\n---\n\n"


def push(words: Sequence[str]) -> None:
    """Uploads a run or model, `words` = (run, repository): settings, scores, rows, the newest and the best checkpoint.

    Paths of this machine are left out; a repository that is new is private.

    Raises:
        UserError: it is no run, no export and not "starter", or the hub refuses or cannot be reached.
    """
    if len(words) != 2:
        raise UserError("--mode=push takes a run and a name on the hub: mtl-depth push RUN OWNER/NAME")
    source, name = words
    inference.load_perceiver(source)  # nothing damaged is sent
    with tempfile.TemporaryDirectory(prefix="push_") as made, _hub(name) as hub:
        folder = pathlib.Path(made)
        gather(source, folder)
        api = hub.HfApi()
        api.create_repo(repo_id=name, exist_ok=True, private=True)
        api.upload_folder(repo_id=name, folder_path=str(folder), commit_message="mtl-depth push")
        size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    log.say(f"{source} is now {name} on the hub ({size / 1e6:.1f} MB; a new repository is private)")
    log.say(f"next: mtl-depth pull {name} FOLDER")


def pull(words: Sequence[str]) -> None:
    """Downloads a pushed run or model, `words` = (repository, folder); the folder has to be new or empty.

    Raises:
        UserError: the folder holds something, the hub refuses or cannot be reached, or nothing of ours is there.
    """
    if len(words) != 2:
        raise UserError("--mode=pull takes a name on the hub and a new folder: mtl-depth pull OWNER/NAME FOLDER")
    name, target = words[0], pathlib.Path(os.path.expanduser(words[1]))
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        raise UserError(f"{target} already exists; pull into a FOLDER that is new or empty.")
    disk.check_writable(target)
    with tempfile.TemporaryDirectory(prefix=f".{target.name}_", dir=target.parent) as part:
        with _hub(name) as hub:
            hub.snapshot_download(repo_id=name, local_dir=part, allow_patterns=list(FILES))
        shutil.rmtree(pathlib.Path(part, ".cache"), ignore_errors=True)  # the client's own notes
        try:
            perceiver = inference.load_perceiver(part)
        except UserError as error:
            reason = str(error).replace(part, name).rstrip(".")
            raise UserError(f"{name} on the hub was not made by mtl-depth push ({reason}); check OWNER/NAME.") from None
        shutil.copytree(part, target, dirs_exist_ok=True)
    log.say(f"{name} is now in {target}: {perceiver!r}")
    option = "--workdir" if (target / "config.json").is_file() else "--config.weights"
    log.say(f"next: {shlex.join(['mtl-depth', 'predict', 'PICTURE', f'{option}={target}', '--output=FOLDER'])}")


def gather(source: str, folder: pathlib.Path) -> None:
    """Copies the uploaded files of a run, an export or the starter to `folder`, without local paths."""
    run = pathlib.Path(os.path.expanduser(source))
    if source == STARTER and not run.exists():
        run = STARTER_FILE.parent
    elif run.is_file():
        run = run.parent
    if not (run / "config.json").is_file():
        for name in (*EXPORTS, "model.json", "README.md"):
            if (run / name).is_file():
                shutil.copy(run / name, folder)
        return
    if not (run / "checkpoints").is_dir():
        raise UserError(f"{source} holds no checkpoints, only scores of other weights; push a run that was trained.")
    config = load_config(run)
    record.write(folder / "config.json", to_dict(without_paths(config)))
    paths = {config.data.data_dir, config.data.manual_dir}
    if (run / "dataset.json").is_file():
        described = record.read(run / "dataset.json")
        paths.add(str(described.get("built_with", {}).get("manual_dir", "")))
        record.write(folder / "dataset.json", described | {"built_with": {}})
    for name in RECORDS:
        if (run / name).is_file():
            shutil.copy(run / name, folder)
    if (folder / model_card.NAME).is_file():
        text = (folder / model_card.NAME).read_text(encoding="utf-8")
        for path in sorted(paths - {""}, key=len, reverse=True):
            text = text.replace(path, _last(path))
        (folder / model_card.NAME).unlink()
        (folder / "README.md").write_text(HEADER + text, encoding="utf-8")
    steps = checkpoint.steps_in(run / "checkpoints")
    for step in {steps[-1], checkpoint.best_step(run / "checkpoints") or steps[-1]}:
        shutil.copytree(run / "checkpoints" / str(step), folder / "checkpoints" / str(step))


def without_paths(config: Config) -> Config:
    """The configuration with the last parts of its paths only."""
    data = dataclasses.replace(config.data, manual_dir="", data_dir=_last(config.data.data_dir))
    weights = config.model.encoder_weights
    model = dataclasses.replace(config.model, encoder_weights=_last(weights) if os.path.exists(weights) else weights)
    return dataclasses.replace(config, data=data, model=model, initial_weights=_last(config.initial_weights))


def _last(paths: str) -> str:
    return ",".join(pathlib.PurePath(path).name for path in paths.split(","))


@contextlib.contextmanager
def _hub(name: str) -> Iterator[Any]:
    """Context with the client of the hub; its errors become UserErrors."""
    try:
        import huggingface_hub
        from huggingface_hub import errors
    except ImportError:
        raise UserError("The hub needs huggingface_hub: pip install 'mtl_depth[hub]'") from None
    try:
        yield huggingface_hub
    except errors.HFValidationError:
        raise UserError(f"{name!r} is not a name on the hub; give OWNER/NAME.") from None
    except errors.RepositoryNotFoundError:
        raise UserError(
            f"The hub has no {name}, or you have no access to it: check the name, and log in with `hf auth login`."
        ) from None
    except UserError:
        raise
    except Exception as error:  # of the network: the client and the libraries below it have no common one
        reason = f"{type(error).__name__}: {error}".splitlines()[0][:160]
        raise UserError(
            f"The request to the hub failed for {name} ({reason}); log in with `hf auth login`, or try again."
        ) from error
