"""Mistakes with what goes beyond this machine, and with profiles."""

import sys
import types

import fake_run
from messages.rows import Row, depth, main, row, written

from mtl_depth import config
from mtl_depth.commands import share
from mtl_depth.runtime import loggers, record


def logger_not_installed(at, patch):
    patch.setitem(sys.modules, "wandb", None)
    loggers.open_loggers(config.Log(wandb="streets"), at, {})


def logger_that_refuses(at, patch):
    def init(**_):
        raise RuntimeError("no key was given\nand more")

    patch.setitem(sys.modules, "wandb", types.SimpleNamespace(init=init))
    loggers.open_loggers(config.Log(wandb="streets"), at, {})


def no_client(at, patch):
    patch.setitem(sys.modules, "huggingface_hub", None)
    share.pull(["me/street", str(at / "back")])


def hub_that(error):
    """Pulls from a hub whose client raises that error, or its own of that name."""

    def provoke(at, patch):
        import huggingface_hub
        from huggingface_hub import errors

        def download(**_):
            kind = getattr(errors, error) if isinstance(error, str) else error
            raise kind.__new__(kind)

        patch.setattr(huggingface_hub, "snapshot_download", download)
        share.pull(["me/street", str(at / "back")])

    return provoke


def foreign_repository(at, patch):
    import huggingface_hub

    patch.setattr(huggingface_hub, "snapshot_download", lambda **_: None)
    share.pull(["me/street", str(at / "back")])


def scores_of_other_weights(at):
    made = fake_run.config("depth")
    made.weights = "starter"
    record.write(written(at / "scores" / "config.json"), config.to_dict(made))
    share.push([str(at / "scores"), "me/scores"])


ROWS: list[Row] = [
    row("runtime.loggers.open_loggers: config.log.{} needs", "a service whose library is not there",
        logger_not_installed, "config.log.wandb", "pip install 'mtl_depth[wandb]'"),
    row("runtime.loggers.open_loggers: config.log.{}={}", "a service that refuses", logger_that_refuses,
        "config.log.wandb=streets", "no key was given", "log in"),
    row("runtime.loggers.open_loggers: {} cannot be read", "a damaged list of the services' runs",
        lambda at: loggers.open_loggers(config.Log(wandb="streets"), written(at / "loggers.json", b"[]").parent, {}),
        "{at}/loggers.json cannot be read (it is not a JSON object)", "remove it"),
    row("runtime.trace.parse", "a profile of no steps", depth("--config.train.profile=12"),
        "config.train.profile is '12'", "such as 10:12"),
    row("commands.share.push", "a push without a name", main("push", "starter"), "mtl-depth push RUN OWNER/NAME"),
    row("commands.share.pull: --mode=pull", "a pull without a folder", main("pull", "me/street"), "OWNER/NAME FOLDER"),
    row("commands.share.pull: {} already exists", "a pull into a folder that holds something",
        lambda at: share.pull(["me/street", str(written(at / "full" / "a.txt").parent)]), "{at}/full", "new or empty"),
    row("commands.share.pull: {} on the hub", "a pull of something else", foreign_repository, "me/street on the hub",
        "mtl-depth push"),
    row("commands.share.gather", "a push of scores alone", scores_of_other_weights, "holds no checkpoints",
        "push a run that was trained"),
    row("commands.share._hub: The hub needs", "no client of the hub", no_client, "pip install 'mtl_depth[hub]'"),
    row("commands.share._hub: {} is not a name", "a name that no hub has", hub_that("HFValidationError"), "OWNER/NAME"),
    row("commands.share._hub: The hub has no", "a name that is not on the hub", hub_that("RepositoryNotFoundError"),
        "The hub has no me/street", "hf auth login"),
    row("commands.share._hub: The request", "a hub that is not reached", hub_that(ConnectionError),
        "me/street (ConnectionError", "try again"),
]  # fmt: skip
