"""The report of the study: what was run, Table 1, paired differences, and conclusions."""

import pathlib
import shutil
from collections.abc import Mapping, Sequence

from mtl_depth.evaluation.score_tables import aligned
from mtl_depth.experiments import answers, curves, scoring, tables
from mtl_depth.experiments.tables import Scores
from mtl_depth.experiments.variants import ARMS, Scale
from mtl_depth.runtime.run_folder import load_config
from mtl_depth.training import balance


def write(scale: Scale, out: pathlib.Path, *, seeds: int, names: Sequence[str], command: str) -> None:
    """Writes report.md, curves.svg and figure2_<variant>.png to `out`, from the run folders as they are now."""
    runs = [(name, seed) for name in names for seed in range(seeds)]
    folders = {key: out / "runs" / f"{key[0]}_seed{key[1]}" for key in runs}
    held_out, validation = (
        {key: found for key in runs if (found := scoring.read(folders[key], name))}
        for name in (scoring.HELD_OUT, scoring.VALIDATION)
    )
    parts = [
        "# Table 1 on the synthetic city",
        opening(scale, command),
        "## Held-out streets",
        *street(held_out, names),
        *by_street(held_out, names),
        "## Validation street",
        "On this street settings were compared and chosen; the held-out ones had no part in that.",
        *street(validation, names),
        "## What was run",
        *what_was_run(folders, held_out, validation),
    ]
    if drawn := draw_curves(out, folders, names):
        parts += ["## Loss curves", f"Means over seeds, each term divided by its task's weight: [{drawn}]({drawn})"]
    parts += figures(out, folders, names)
    out.mkdir(parents=True, exist_ok=True)
    (out / "report.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def opening(scale: Scale, command: str) -> str:
    """The introduction of the report."""
    height, width = scale.size
    budget = f"{scale.steps} steps" if scale.steps else "20 epochs"
    motion = (
        "Depth is learned with the recorded motion, which makes it metric and lets it converge within this budget."
        if scale.motion == "recorded"
        else "Depth is learned with predicted motion, as in the report: it has no metric scale."
    )
    networks = scale.model.encoder + (
        f" with weights {scale.model.encoder_weights}" if scale.model.encoder_weights else ""
    )
    cities, held_out = len(scale.cities), len(scale.held_out)
    return (
        f"`{command}`\n\n"
        f"Synthetic cities: {cities} of {scale.streets} streets of {scale.frames} frames to train on, the last of each "
        "left out (that of the first city is the validation street), and "
        f"{held_out} held-out street{'s' if held_out > 1 else ''} of {scale.held_out_frames} frames, each of another "
        f"city. Every training: {budget} of {scale.batch_size} clips of {height}x{width}, {networks}, learning rate "
        f"{scale.learning_rate:g}. {motion} Trainings of one seed start from the same weights in all parts they share "
        "and see the same clips, flipped and coloured alike. Each run's exact configuration is "
        "`runs/<variant>_seed<n>/config.json`."
    )


def street(scores: Scores, names: Sequence[str]) -> list[str]:
    """Table 1, the other scores, the paired differences and the answers of one set of streets."""
    if not scores:
        return ["Not run."]
    sentences = [*answers.on_depth(scores, names), *answers.on_bars(scores, names)]
    parts = [
        tables.main_table(scores, names),
        tables.other_table(scores, names),
        tables.difference_table(scores, names),
        "\n".join(f"* {sentence}" for sentence in sentences),
    ]
    return [part for part in parts if part]


def by_street(scores: Scores, names: Sequence[str]) -> list[str]:
    """The differences once more, over streets instead of seeds."""
    found = tables.street_table(scores, names)
    return [found] if found else []


def what_was_run(folders: Mapping[tuple[str, int], pathlib.Path], held_out: Scores, validation: Scores) -> list[str]:
    """A table with one row per run: its state, and its time if known."""
    rows = [["run", "state", "minutes", "pieces"]]
    for key, folder in folders.items():
        if key in held_out:
            state = "trained, scored"
        elif key in validation:
            state = "trained, not scored on the held-out streets"
        else:
            state = "begun" if (folder / "checkpoints").exists() else "not run"
        took = scoring.read(folder, scoring.SECONDS)
        rows.append(
            [folder.name, state, *([f"{took['seconds'] / 60:.1f}", str(took["pieces"])] if took else ["-", "-"])]
        )
    return [aligned(rows, names=2)]


def draw_curves(out: pathlib.Path, folders: Mapping[tuple[str, int], pathlib.Path], names: Sequence[str]) -> str | None:
    """Draws the loss curves of the variants that have any; returns the file's name, or None."""
    terms: dict[str, dict[str, curves.Curve]] = {}
    for name in names:
        found = []
        for (arm, _), folder in folders.items():
            if arm == name and (folder / "metrics.jsonl").exists():
                config = load_config(folder)
                tasks = balance.make(config.train.balance, config.tasks).tasks  # with the weights of the logged terms
                sections = {task: getattr(tasks, task) for task in ("depth", *ARMS[name].tasks)}
                found.append(curves.read(folder, weights={task: part.weight for task, part in sections.items()}))
        for term in dict.fromkeys(term for run in found for term in run):
            curve = curves.mean_curve([run[term] for run in found if term in run])
            terms.setdefault(term, {})[ARMS[name].title] = curve
    if not terms:
        return None
    curves.draw(out / "curves.svg", terms)
    return "curves.svg"


def figures(out: pathlib.Path, folders: Mapping[tuple[str, int], pathlib.Path], names: Sequence[str]) -> list[str]:
    """Figure 2 of the report for the first seed of every variant: input, depth, true and predicted segmentation."""
    parts = []
    for name in names:
        source = folders[name, 0] / "pictures" / "figure.png"
        if source.exists():
            shutil.copyfile(source, out / f"figure2_{name}.png")
            parts.append(f"{ARMS[name].title}, held-out street, seed 0:\n\n![{name}](figure2_{name}.png)")
    return ["## Figure 2", *parts] if parts else []
