"""The complete list of messages: every sentence that meets a user's mistake, with what provokes it (tests/messages)."""

import inspect
import os
import re

import pytest
from messages import dataset, download, files, predictions, runs, services, settings, sites, video, weights

from mtl_depth.errors import UserError
from tfds_kitti360.errors import DatasetError

TABLES = (settings, services, dataset, download, files, video, runs, predictions, weights)
ROWS = [row for table in TABLES for row in table.ROWS]


@pytest.mark.parametrize("row", ROWS, ids=[f"{row.site.split(':')[0]}-{row.mistake}" for row in ROWS])
def test_mistake_is_met_by_its_sentence(row, tmp_path, monkeypatch, capsys):
    made = []  # (site, sentence) of every error, in order

    def record(self, sentence):
        caller = inspect.currentframe().f_back
        made.append((sites.at(os.path.abspath(caller.f_code.co_filename), caller.f_lineno), sentence))
        Exception.__init__(self, sentence)

    for kind in (UserError, DatasetError):
        monkeypatch.setattr(kind, "__init__", record, raising=False)
    with pytest.MonkeyPatch.context() as patch:
        given = (tmp_path, patch)[: len(inspect.signature(row.provoke).parameters)]
        try:
            status = row.provoke(*given)
        except (UserError, DatasetError) as error:
            sentence = str(error)
        else:  # a command
            printed = capsys.readouterr().err
            lines = [line for line in re.split(r"[\r\n]+", printed) if line.startswith("error: ")]
            assert status == 2 and len(lines) == 1 and "Traceback" not in printed, (status, printed)
            sentence = lines[0].removeprefix("error: ")
    assert made[-1] == (sites.named(row.site), sentence)
    for part in row.parts:
        assert part.replace("{at}", str(tmp_path)) in sentence, sentence
    assert "\n" not in sentence and "Traceback" not in sentence and "{}" not in sentence


def test_every_site_has_a_row():
    covered = [sites.named(name) for name in {row.site for row in ROWS}]
    missing = [site.name for site in sites.sites() if site not in covered]
    assert not missing, "give each of these a row in tests/messages:\n" + "\n".join(missing)
    assert len(sites.sites()) > 200  # the sources were read


NAMES_SOMETHING = re.compile(r"\{\}|--\w|config\.\w|pip install|[A-Z]+_[A-Z_]+")
WAY_OUT = re.compile(r";|\. [A-Z`]|: |\?|, such as |pip install|\b(?:has to|have to|must|give|takes?)\b|not for")


@pytest.mark.parametrize("site", sites.sites(), ids=lambda site: site.name[:60])
def test_style(site):
    """One or two sentences that name a file, a flag or a setting, and the way out."""
    sentence = site.name.split(": ", 1)[1]
    if not site.is_text:  # the sentence of another error or function; the rows look at it
        return
    assert NAMES_SOMETHING.search(sentence), sentence
    assert WAY_OUT.search(sentence), sentence
    assert len(re.findall(r"[.?!](?= [A-Z`])", sentence.rstrip(".?"))) <= 1, sentence
    assert sentence == sentence.strip() and "\n" not in sentence and "  " not in sentence
    assert not re.search(r"Traceback|Error\b|Exception|!", sentence), sentence
