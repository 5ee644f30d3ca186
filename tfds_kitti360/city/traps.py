"""The gaps of the real data set, which a city has with `--traps`; a quarter of a drive stands for the real counts."""


def unlabelled(drive: int, frames: int) -> set[int]:
    """Positions without labels: the real drive 0000 has none for its first 250 frames."""
    return set(range(frames // 4)) if drive == 0 else set()


def withheld(drive: int, frames: int) -> set[int]:
    """Positions without a picture: the real drive 0002 begins with 222 labelled frames that have none, and those of
    the real drive 0004 are left out in stretches."""
    if drive == 2:
        return set(range(frames // 4))
    return {number for number in range(frames) if number % 16 in (5, 6, 7)} if drive == 4 else set()
