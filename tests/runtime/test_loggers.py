"""Services get the rows of metrics.jsonl; a restart continues their run, and one that fails does not end a training."""

import json
import sys
import time
import types

import pytest

from mtl_depth import config
from mtl_depth.runtime import log, loggers

SETTINGS = {"train": {"steps": 3}, "weights": ""}


def train(tmp_path, section, *, step=0):
    """Two rows of training and one of scores, as a training writes them; returns those of metrics.jsonl."""
    further = loggers.open_loggers(section, tmp_path, SETTINGS)
    board = log.Log(tmp_path, step=step, notes={"evaluated": "val"}, further=further)
    for number in (step + 1, step + 2):
        board.scalars(number, {"loss": 0.5 / number, "depth/photometric": 0.25})
    board.scalars(step + 2, {"depth": {"unscaled": {"abs_rel": 0.2}}, "recipe": "text"}, split="val")
    board.close()
    return [
        (row["step"], f"{row['split']}/{name}" if "split" in row else name, value)
        for row in log.read_metrics(tmp_path / "metrics.jsonl")
        for name, value in row.items()
        if name not in ("step", "split")
    ]


class Wandb:
    """Stands for the module: takes what the real `init` and `Run.log` take."""

    def __init__(self):
        self.started, self.rows, self.finished = [], [], 0

    def init(self, *, project, name, dir, id, resume, config):
        self.started.append((project, id, resume, config))
        return types.SimpleNamespace(id=id, log=self.log, finish=self.finish)

    def log(self, values, *, step):
        self.rows += [(step, name, value) for name, value in values.items()]

    def finish(self):
        self.finished += 1


def test_wandb_gets_every_row_and_a_restart_goes_to_the_same_run(tmp_path, monkeypatch):
    service = Wandb()
    monkeypatch.setitem(sys.modules, "wandb", service)
    train(tmp_path, config.Log(wandb="streets"))
    rows = train(tmp_path, config.Log(wandb="streets"), step=2)
    assert service.rows == rows and (2, "val/depth/unscaled/abs_rel", 0.2) in rows and service.finished == 2
    first, second = service.started
    assert first == second and first[0] == "streets" and first[2:] == ("allow", SETTINGS)


def test_a_service_that_fails_is_left_alone(tmp_path, monkeypatch, capsys):
    service = Wandb()
    monkeypatch.setitem(sys.modules, "wandb", service)

    def gone(values, *, step):
        raise ConnectionError("gone")

    service.log = gone
    assert len(train(tmp_path, config.Log(wandb="streets"))) == 5
    assert capsys.readouterr().err.count("wandb gets no more rows (gone)") == 1


def test_without_services_nothing_is_opened(tmp_path):
    assert loggers.open_loggers(config.Log(), tmp_path, SETTINGS) == [] and list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_wandb_itself_takes_the_rows_offline(tmp_path, monkeypatch):
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    rows = train(tmp_path, config.Log(wandb="streets"))
    (file,) = tmp_path.glob("wandb/offline-run-*/*.wandb")
    wanted = {name.encode() for _, name, _ in rows}
    deadline = time.monotonic() + 30  # its own process writes the file
    while missing := {name for name in wanted if name not in file.read_bytes()}:
        assert time.monotonic() < deadline, missing
        time.sleep(0.2)
    assert json.loads((tmp_path / "loggers.json").read_text())["wandb"] in file.name


@pytest.mark.slow
def test_mlflow_itself_keeps_the_rows_in_the_run_folder(tmp_path, monkeypatch):
    tracking = pytest.importorskip("mlflow.tracking")
    pytest.importorskip("sqlalchemy")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    train(tmp_path, config.Log(mlflow="streets"))
    rows = train(tmp_path, config.Log(mlflow="streets"), step=2)
    client = tracking.MlflowClient(tracking_uri=f"sqlite:///{tmp_path / 'mlflow.db'}")
    number = json.loads((tmp_path / "loggers.json").read_text())["mlflow"]
    kept = client.get_run(number)
    assert kept.info.status == "FINISHED" and kept.data.params["train.steps"] == "3"
    histories = {name: client.get_metric_history(number, name) for name in kept.data.metrics}
    found = [(one.step, name, one.value) for name, history in histories.items() for one in history]
    assert sorted(found) == sorted(rows)
