"""Assembles a run from its settings: tasks, network, optimizer, initial state, and the training step."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import optax

from mtl_depth.config import Config
from mtl_depth.models.network import Network
from mtl_depth.tasks import assemble
from mtl_depth.tasks.base import Batch, Task
from mtl_depth.training import balance as balances
from mtl_depth.training import state as states
from mtl_depth.training.augment import augment
from mtl_depth.training.gradients import Carry, Gradients, accumulate, make_gradients, make_parts
from mtl_depth.training.optimizer import Rates, make_optimizer
from mtl_depth.training.step import TrainStep, make_train_step, make_update


class Assembly(NamedTuple):
    """The components of a run.

    Attributes:
        config: the settings.
        network: of all tasks.
        tasks: whose losses are summed.
        optimizer: of all parameters.
        balance: of the tasks.
    """

    config: Config
    network: Network
    tasks: tuple[Task, ...]
    optimizer: optax.GradientTransformation
    balance: balances.Balance

    @property
    def reads(self) -> frozenset[str]:
        """Keys of a batch that the tasks read."""
        return frozenset().union(*(task.reads for task in self.tasks))

    def create(self, key: jax.Array) -> states.TrainState:
        """An initial state with random weights."""
        return states.create(
            key, self.network, self.optimizer, size=tuple(self.config.data.size), frames=self.config.data.clip_length,
            further_params=self.balance.params,
        )  # fmt: skip

    def shapes(self) -> states.TrainState:
        """Shapes and types of the state."""
        return jax.eval_shape(self.create, jax.random.key(0))

    def gradients(self, wrap: Callable[..., Callable] = jax.jit) -> Callable[[states.TrainState, Batch], Gradients]:
        """The function (state, batch) -> gradients of a batch on one device, compiled by `wrap`."""
        if self.config.train.accumulate == 1:
            return wrap(make_gradients(self.network, self.tasks, **self._options))
        parts = make_parts(self.network, self.tasks, parts=self.config.train.accumulate, **self._options)
        begin, add, finish = map(wrap, (parts.begin, parts.add, parts.finish))
        return lambda state, batch: finish(accumulate(begin, add, state, batch, parts=self.config.train.accumulate))

    def step(self, parallelize: Callable[..., Callable], *, guarded: bool = True) -> TrainStep:
        """The function (state, batch, rates) -> (state, metrics), which takes the state's memory.

        Args:
            parallelize: of the devices, compiles a function for them.
            guarded: see `make_update`.
        """
        count, options = self.config.train.accumulate, self._options | {"watched": guarded}
        if count == 1:
            gradients = make_gradients(self.network, self.tasks, **options)
            step = make_train_step(gradients, self.optimizer, guarded=guarded)
            return parallelize(step, in_axes=(None, 0, None))
        parts = make_parts(self.network, self.tasks, parts=count, **options)
        update = make_update(self.optimizer, guarded=guarded)

        def finish(
            state: states.TrainState, carry: Carry, rates: Rates, *, axis_name: str | None = None
        ) -> tuple[states.TrainState, dict[str, jax.Array]]:
            return update(state, parts.finish(carry, axis_name=axis_name), rates)

        begin = parallelize(parts.begin, out_axes=0, donate=())
        add = parallelize(parts.add, in_axes=(None, 0, 0, None), out_axes=0, donate=(1,))
        finish = parallelize(finish, in_axes=(None, 0, None))
        run = functools.partial(accumulate, begin, add, parts=count)
        return lambda state, batch, rates: finish(state, run(state, batch), rates)

    @property
    def _options(self) -> dict[str, Any]:
        train = self.config.train
        augmentation = functools.partial(augment, zoom=train.zoom, exposure=train.exposure) if train.augment else None
        return {
            "augmentation": augmentation, "weigh": self.balance.weigh, "rematerialise": train.rematerialise,
        }  # fmt: skip


def assemble_run(config: Config, *, steps: int = 1, optimizer: optax.GradientTransformation | None = None) -> Assembly:
    """Assembles a run.

    Args:
        config: its settings.
        steps: its length, which places the drop of the learning rate where the step is not given one.
        optimizer: replaces the one that training uses.

    Raises:
        UserError: a setting of model, tasks or balance is invalid.
    """
    balance = balances.make(config.train.balance, config.tasks)
    network, tasks = assemble(config.model, balance.tasks, config.camera)
    network = network.clone(gradient_scales=tuple(balance.scales.items()))
    if optimizer is None:
        multipliers = {task.name: getattr(config.tasks, task.name).learning_rate_multiplier for task in tasks}
        optimizer = make_optimizer(config.train, steps=steps, head_multipliers=multipliers)
    return Assembly(config, network, tasks, optimizer, balance)
