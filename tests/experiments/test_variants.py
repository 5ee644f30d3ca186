"""The arms of the study differ by what they name only: same weights, same clips, same colours."""

import dataclasses
import functools

import jax
import numpy as np
import optax
import pytest

from mtl_depth import config as configurations
from mtl_depth.experiments import speed
from mtl_depth.experiments.variants import ARMS, SCALES, VARIANTS, configuration
from mtl_depth.models.network import init
from mtl_depth.tasks import assemble
from mtl_depth.training import state as states
from mtl_depth.training.assembly import assemble_run
from mtl_depth.training.gradients import _sample_keys

TINY = dataclasses.replace(
    SCALES["small"], size=(64, 96), model=configurations.Model(width=0.125), canonical_focal=None, batch_size=2
)
make = functools.partial(configuration, data_dir="somewhere")


@functools.cache
def fresh(name):
    config = make(TINY, ARMS[name], seed=4)
    network, _ = assemble(config.model, config.tasks)
    return init(network, jax.random.key(config.train.seed), size=config.data.size)


@pytest.mark.parametrize("name", [name for name in VARIANTS if name != "depth"])
def test_variants_start_from_the_same_weights(name):
    alone, more = fresh("depth"), fresh(name)
    assert {"encoder", "head_depth"} == alone["params"].keys() < more["params"].keys()
    for part, weights in alone["params"].items():
        jax.tree.map(np.testing.assert_array_equal, weights, more["params"][part])
    jax.tree.map(np.testing.assert_array_equal, alone["batch_stats"], more["batch_stats"])


def test_heads_start_from_the_same_weights_beside_any_other():
    for name in ("semantic", "instance"):
        jax.tree.map(
            np.testing.assert_array_equal,
            fresh(name)["params"][f"head_{name}"],
            fresh("panoptic")["params"][f"head_{name}"],
        )


@functools.cache
def first_terms(name):
    """The depth terms of the first step, over their weight, with flips, colours and tie noise."""
    config = make(TINY, ARMS[name], seed=4)
    assembly = assemble_run(config, optimizer=optax.sgd(0.0))
    # The terms alone, so that no backward pass is compiled.
    losses = assembly.gradients(lambda gradients: jax.jit(lambda *inputs: gradients(*inputs).terms))
    found = losses(assembly.create(jax.random.key(config.train.seed)), speed.noise(config))
    terms = ("depth/photometric", "depth/smoothness")
    return {term: float(found[term]) / assembly.balance.tasks.depth.weight for term in terms}


def test_a_purpose_draws_the_same_whatever_else_is_drawn():
    """Augmentation is the first purpose, depth's tie noise the second: further tasks change neither."""
    state = states.from_variables(jax.random.key(4), {"params": {}, "batch_stats": {}}, optax.sgd(0.0))
    few, many = (jax.random.key_data(_sample_keys(state, 2, count, part=0, axis_name=None)) for count in (2, 4))
    np.testing.assert_array_equal(few, many[:, :2])


@pytest.mark.slow
def test_variants_see_the_same_clips_flipped_and_coloured_alike():
    alone, more = first_terms("depth"), first_terms("panoptic")
    for term, value in alone.items():
        np.testing.assert_allclose(more[term], value, rtol=1e-5)


@pytest.mark.parametrize("scale", SCALES.values(), ids=SCALES)
@pytest.mark.parametrize("name", ARMS)
def test_every_arm_is_a_run_that_can_be_assembled(scale, name):
    config = make(scale, ARMS[name], seed=1)
    assert [task.name for task in assemble_run(config).tasks] == [
        task for task in ("depth", "semantic", "instance", "reconstruction") if task in ("depth", *ARMS[name].tasks)
    ]
    assert config.evaluation.split == "val"
    assert configurations.from_dict(configurations.to_dict(config)) == config


def test_arms_change_what_they_say():
    assert make(TINY, ARMS["depth"], seed=0).tasks.depth.weight == 1
    assert make(TINY, ARMS["instance"], seed=0).tasks.depth.weight == 5.5
    assert make(TINY, ARMS["semantic_ratio_20"], seed=0).tasks.depth.weight == 20
    assert make(TINY, ARMS["instance_uncertainty"], seed=0).train.balance == "uncertainty"
    guided = make(TINY, ARMS["semantic_guided"], seed=0).tasks.depth
    assert make(TINY, ARMS["instance_report_head"], seed=0).tasks.instance.head == "report"
    assert make(TINY, ARMS["depth_250"], seed=0).data.train_frames == 250
    assert guided.left_out == ("sky", "ego vehicle") and guided.semantic_edges and guided.moving_overlap == 0.5


def test_paper_is_the_report_s_experiment():
    config = make(SCALES["paper"], ARMS["instance"], seed=0)
    assert (config.data.train_frames, config.data.eval_frames, config.data.size) == (9000, 2000, (192, 640))
    assert (config.train.epochs, config.train.steps, config.train.batch_size) == (20, None, 8)
    assert config.model.width == 1 and config.model.dtype == "bfloat16" and config.tasks.depth.motion == "predicted"
