"""The table of tasks. A new task is a file in this package, a section in `config.Tasks` and a line here."""

import dataclasses

import jax.numpy as jnp

from mtl_depth import config
from mtl_depth.errors import UserError
from mtl_depth.models.network import Network, make_network
from mtl_depth.tasks import depth, instance, reconstruction, semantic
from mtl_depth.tasks.base import Task

MODULES = (depth, semantic, instance, reconstruction)  # each named like its section of config.Tasks
FACTORIES = {module.__name__.rpartition(".")[2]: module.make for module in MODULES}
DTYPES = {"float32": jnp.float32, "bfloat16": jnp.bfloat16}


def assemble(
    model: config.Model, tasks: config.Tasks, camera: config.Camera | None = None
) -> tuple[Network, tuple[Task, ...]]:
    """Builds the tasks whose section is set, and the network that they share.

    Raises:
        UserError: no task is set, a setting has an invalid value, or two heads have outputs of the same name.
    """
    if model.dtype not in DTYPES:
        raise UserError(f"config.model.dtype is {model.dtype!r}; choose one of {', '.join(DTYPES)}.")
    for name in ("width", "decoder_width"):
        width = getattr(model, name)
        if width is not None and not width > 0:
            raise UserError(f"config.model.{name} is {width}; it must be positive, 1.0 being the full network.")
    decoder_width = model.width if model.decoder_width is None else model.decoder_width
    dtype = DTYPES[model.dtype]
    sections = {field.name: getattr(tasks, field.name) for field in dataclasses.fields(tasks)}
    made = tuple(
        FACTORIES[name](section, width=decoder_width, dtype=dtype)
        for name, section in sections.items()
        if section is not None
    )
    if not made:
        raise UserError(f"No task is set: give config.tasks at least one of {', '.join(FACTORIES)}.")
    if sum(getattr(section, "head", "") == "report" for section in sections.values()) > 1:
        raise UserError(
            "Only one task at a time can use the report's single-channel head; set another "
            "config.tasks.semantic.head or config.tasks.instance.head."
        )
    if camera is not None and camera.learn and tasks.depth is None:
        raise UserError("config.camera.learn needs depth: the focal length is learned with it; set config.tasks.depth.")
    network = make_network(
        encoder=model.encoder,
        width=model.width,
        dtype=dtype,
        heads=tuple((task.name, task.head) for task in made),
        predict_motion=any(task.predicts_motion for task in made),
        translation_unit=next((task.translation_unit for task in made if task.predicts_motion), 1.0),
        learn_focal=camera is not None and camera.learn,
        freeze_statistics=model.freeze_statistics,
    )
    return network, made
