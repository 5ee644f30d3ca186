"""Weights & Biases and MLflow: receive the rows of metrics.jsonl. Both libraries are extras."""

import os
import pathlib
import secrets
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from mtl_depth import config
from mtl_depth.errors import UserError
from mtl_depth.runtime import log, record

IDS = "loggers.json"  # in the run folder: under which names the services know the run, so that a restart continues it


class Logger(NamedTuple):
    """A service that takes rows.

    Attributes:
        name: of the service.
        write: takes (step, row of metrics.jsonl).
        close: finishes the run there.
    """

    name: str
    write: Callable[[int, Mapping[str, Any]], Any]
    close: Callable[[], Any]


def open_loggers(section: config.Log, workdir: pathlib.Path, settings: Mapping[str, Any]) -> list[Logger]:
    """The services that the section names, each with a run for this folder, which a restart continues.

    Raises:
        UserError: a library is not installed, a service refuses the run, or `IDS` cannot be read.
    """
    if not (section.wandb or section.mlflow):
        return []
    try:
        ids = record.read(workdir / IDS)
    except FileNotFoundError:
        ids = {}
    except (OSError, ValueError) as error:
        raise UserError(
            f"{workdir / IDS} cannot be read ({error}); remove it to begin new runs at the services."
        ) from None
    opened = []
    for name, start in (("wandb", _wandb), ("mlflow", _mlflow)):
        if wanted := getattr(section, name):
            try:
                logger, ids[name] = start(wanted, workdir, settings, ids.get(name))
            except ImportError:
                raise UserError(
                    f"config.log.{name} needs a package that is not installed: pip install 'mtl_depth[{name}]'"
                ) from None
            except Exception as error:  # each library has its own errors
                reason = f"{type(error).__name__}: {error}".splitlines()[0][:200]
                raise UserError(
                    f"config.log.{name}={wanted} cannot be opened ({reason}); log in to that service, or leave it out."
                ) from error
            opened.append(logger)
            record.write(workdir / IDS, ids)
    return opened


def numbers(row: Mapping[str, Any]) -> dict[str, float]:
    """The numbers of a row of metrics.jsonl, under the names that TensorBoard has: scores begin with their split."""
    flat = log.flatten({name: value for name, value in row.items() if name != "step"})
    return {f"{row['split']}/{name}" if "split" in row else name: value for name, value in flat.items()}


def _wandb(project: str, workdir: pathlib.Path, settings: Mapping[str, Any], known: str | None) -> tuple[Logger, str]:
    """A run of `project`, its files below the run folder; WANDB_MODE=offline keeps it on this machine."""
    import wandb

    run = wandb.init(
        project=project, name=workdir.resolve().name, dir=str(workdir), id=known or secrets.token_hex(4),
        resume="allow", config=dict(settings),
    )  # fmt: skip
    return Logger("wandb", lambda step, row: run.log(numbers(row), step=step), run.finish), run.id


def _mlflow(
    experiment: str, workdir: pathlib.Path, settings: Mapping[str, Any], known: str | None
) -> tuple[Logger, str]:
    """A run of `experiment` on the server of MLFLOW_TRACKING_URI, or else in the file mlflow.db of the run folder."""
    from mlflow.tracking import MlflowClient

    folder = workdir.resolve()
    client = MlflowClient(tracking_uri=os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{folder / 'mlflow.db'}")
    if known is None:
        found = client.get_experiment_by_name(experiment)
        number = client.create_experiment(experiment) if found is None else found.experiment_id
        known = client.create_run(number, run_name=folder.name).info.run_id
        for name, value in _leaves(settings):
            client.log_param(known, name, value)
    else:
        client.update_run(known, status="RUNNING")

    def write(step: int, row: Mapping[str, Any]) -> None:
        for name, value in numbers(row).items():
            client.log_metric(known, name, value, step=step)

    return Logger("mlflow", write, lambda: client.set_terminated(known)), known


def _leaves(tree: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """Settings by their names on the command line, without `config.`."""
    pairs = []
    for name, value in tree.items():
        pairs += _leaves(value, f"{prefix}{name}.") if isinstance(value, Mapping) else [(f"{prefix}{name}", value)]
    return pairs
