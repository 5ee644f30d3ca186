"""Whatever happens to a file of a committed folder is noticed."""

import pytest

from mtl_depth.runtime import manifest


@pytest.fixture
def folder(tmp_path):
    part = tmp_path / "7.part"
    (part / "state" / "d").mkdir(parents=True)
    (part / "state" / "d" / "values").write_bytes(bytes(range(256)) * 8)
    (part / "state" / "empty").write_bytes(b"")
    manifest.commit(part, tmp_path / "7", {"abs_rel": 0.25})
    assert not part.exists()
    return tmp_path / "7"


def test_whole_folder_passes(folder):
    manifest.check(folder)
    assert manifest.read_notes(folder) == {"abs_rel": 0.25}


@pytest.mark.parametrize("name", ["state/d/values", "manifest.json"])
@pytest.mark.parametrize("damage", ["flipped", "cut", "zeroed", "missing", "longer"])
def test_damage_is_named(folder, name, damage):
    path = folder / name
    content = path.read_bytes()
    middle = len(content) // 2
    if damage == "missing":
        path.unlink()
    else:
        flipped = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
        path.write_bytes(
            {"flipped": flipped, "cut": content[:middle], "zeroed": bytes(len(content)), "longer": content + b"1"}[
                damage
            ]
        )
    with pytest.raises(ValueError, match=path.name):
        manifest.check(folder)


def test_every_bit_of_the_notes_counts(folder):
    path = folder / "manifest.json"
    path.write_text(path.read_text().replace("0.25", "0.35"))
    with pytest.raises(ValueError, match=r"manifest\.json is damaged"):
        manifest.read_notes(folder)
