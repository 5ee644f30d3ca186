"""Run folders: what is read back, and what is said when it cannot be."""

import json

import pytest

from mtl_depth import config as configuration
from mtl_depth.errors import UserError
from mtl_depth.runtime import run_folder


def test_reads_what_was_saved(tmp_path):
    config = configuration.Config(tasks=configuration.Tasks(depth=configuration.DepthTask(motion="recorded")))
    (tmp_path / "config.json").write_text(json.dumps(configuration.to_dict(config)))
    (tmp_path / "evaluation.json").write_text('{"split": "val", "frames": 3}')
    assert run_folder.load_config(tmp_path) == config
    assert run_folder.load_evaluation(tmp_path) == {"split": "val", "frames": 3}


def test_mistakes_are_met_by_a_sentence(tmp_path):
    with pytest.raises(UserError, match=r"holds no config.json; give the --workdir"):
        run_folder.load_config(tmp_path)
    with pytest.raises(UserError, match=r"holds no evaluation.json; run --mode=evaluate"):
        run_folder.load_evaluation(tmp_path)
    for text, sentence in (("{", "is damaged"), ("{}", "does not fit"), ("[]", "is damaged")):
        (tmp_path / "config.json").write_text(text)
        with pytest.raises(UserError, match=sentence):
            run_folder.load_config(tmp_path)
    for text in ("{}", '{"split": "val"}'):
        (tmp_path / "evaluation.json").write_text(text)
        with pytest.raises(UserError, match="it holds no scores"):
            run_folder.load_evaluation(tmp_path)
