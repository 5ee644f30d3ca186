"""Writes a whole city, drive by drive; finished drives are reused."""

import collections
import concurrent.futures
import pathlib

from tfds_kitti360.city import traps, writer
from tfds_kitti360.city.drive import Drive
from tfds_kitti360.city.plan import DRIVES, Settings, check_folder
from tfds_kitti360.city.world import PLAIN, draw_world, make_rig
from tfds_kitti360.progress import progress

_WRITERS, _WAITING = 3, 6  # threads that encode, frames that may wait for them


def make_city(out: pathlib.Path, settings: Settings) -> None:
    """Writes `settings.drives` drives below `out`, then the lists.

    Raises:
      DatasetError: `out` contains something else.
    """
    check_folder(out, settings)
    writer.write_json(out / "city.json", settings.as_json())
    rig = make_rig(settings)
    writer.write_calibration(out, rig, traps=settings.traps)
    rides = {}
    with progress(total=settings.drives * settings.frames, unit="frame", smoothing=0.1) as bar:
        for which, drive in enumerate(DRIVES[: settings.drives]):
            ride = Drive(
                seed=settings.seed,
                which=which,
                frames=settings.frames,
                size=settings.size,
                rig=rig,
                world=draw_world(settings.seed, which, rig=rig) if settings.variety else PLAIN,
            )
            rides[drive] = sorted(_labelled(drive, ride, settings))
            bar.set_description(f"drive {drive:04d}")
            if (writer.truth_folder(out, drive) / "objects.json").exists():
                bar.update(settings.frames)
                continue
            write_drive(out, drive, ride, settings, bar)
    listed = list(rides.items())
    train, val = (listed, []) if len(listed) == 1 else (listed[:-1], listed[-1:])
    writer.write_lists(out, {"train": train, "val": val})


def write_drive(out: pathlib.Path, drive: int, ride: Drive, settings: Settings, bar) -> None:
    """Draws and writes a drive; `bar.update()` is called after every frame drawn."""
    writer.write_motion(out, drive, ride, stereo=settings.stereo, scans=settings.scans)
    if settings.variety:
        writer.write_json(writer.truth_folder(out, drive) / "world.json", ride.world.as_json())
    with_labels, seen = _labelled(drive, ride, settings), set()
    withheld = traps.withheld(drive, settings.frames) if settings.traps else set()
    waiting = collections.deque()
    with concurrent.futures.ThreadPoolExecutor(_WRITERS) as pool:
        for frame in ride.draw(stereo=settings.stereo, scans=settings.scans):
            seen.update(frame.things.tolist())
            wanted = {
                "picture": frame.number not in withheld,
                "labels": frame.number in with_labels,
                "truth": settings.truth,
            }
            waiting.append(pool.submit(writer.write_frame, out, drive, frame, **wanted))
            if len(waiting) > _WAITING:
                waiting.popleft().result()
            bar.update()
        for job in waiting:
            job.result()
    kinds = collections.Counter(ride.city.things[thing] for thing in seen if thing)
    writer.write_json(writer.truth_folder(out, drive) / "objects.json", dict(kinds))


def _labelled(drive: int, ride: Drive, settings: Settings) -> set[int]:
    """Positions of the frames that have labels."""
    return writer.labelled(ride) - (traps.unlabelled(drive, settings.frames) if settings.traps else set())
