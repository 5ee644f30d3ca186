"""Answers the questions of the study in sentences, from the numbers."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from mtl_depth.experiments.tables import ABS_REL, CARS, Scores, differences, look_up
from mtl_depth.experiments.variants import ARMS

HELPS = 0.10  # relative change of Abs Rel that the report claims
_MIOU, _MAJORITY = ("semantic", "miou"), ("semantic", "majority", "miou")
_CONSTANT = ("depth", "constant", "abs_rel")


class Bar(NamedTuple):
    """A bar that a variant has to reach with every seed: `measure` of its scores is at least `least`."""

    title: str
    measure: Callable[[dict], float | None]
    least: float


def _ratio(scores: dict, over: Sequence[str], under: Sequence[str]) -> float | None:
    above, below = look_up(scores, over), look_up(scores, under)
    return None if above is None or not below else above / below


BARS = (
    Bar("constant depth's AbsRel / AbsRel", lambda scores: _ratio(scores, _CONSTANT, ABS_REL.path), 1 / 0.7),
    Bar("mIoU / majority label image's mIoU", lambda scores: _ratio(scores, _MIOU, _MAJORITY), 1.5),
    Bar("PQ of cars", lambda scores: look_up(scores, CARS.path), 0.15),
)


def on_depth(scores: Scores, names: Sequence[str]) -> list[str]:
    """Whether segmentation improves depth, one sentence per variant."""
    sentences = []
    for name in names:
        found = differences(scores, name)
        if name == "depth" or not found:
            continue
        pair, relative = found
        if pair.significant:
            way = "helps" if relative < 0 else "hurts"
            amount = "10 % or more" if abs(relative) >= HELPS else "less than 10 %"
            sentences.append(f"{ARMS[name].title} {way} depth by {amount}: AbsRel {relative:+.1%}, significant.")
        else:
            sentences.append(
                f"{ARMS[name].title}: not significant at this scale, AbsRel {relative:+.1%} over {pair.count} seed(s)."
            )
    return sentences


def on_bars(scores: Scores, names: Sequence[str]) -> list[str]:
    """Which bars the variants reach, by their worst seed."""
    sentences = []
    for bar in BARS:
        for name in names:
            found = [bar.measure(scored) for (arm, _), scored in scores.items() if arm == name]
            found = [value for value in found if value is not None]
            if found:
                verdict = "reached" if min(found) >= bar.least else "NOT reached"
                sentences.append(
                    f"{bar.title} at least {bar.least:.3g}: {verdict} by {ARMS[name].title} "
                    f"({min(found):.3g} in the worst seed)."
                )
    return sentences
