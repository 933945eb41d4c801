import json
from importlib.util import find_spec

import pytest

from dictionaries.model.sites import Site
from dictionaries.training.log import LogEntry, TrainingLog, TrainingMetrics
from policies.errors import DictionaryError

MOMENT = LogEntry(Site(3), TrainingMetrics(50, {"reconstruction": 1.5}, 20.25, 0.5), 1e-3, 2.0, 1234.56)


def test_each_moment_is_a_line_on_disk_at_once(tmp_path):
    file = tmp_path / "training.jsonl"
    with TrainingLog(file) as log:
        log(MOMENT)
        assert len(file.read_text().splitlines()) == 1
        log(MOMENT._replace(site=Site(4)))
    first, second = map(json.loads, file.read_text().splitlines())
    assert first == {
        "step": 50,
        "site": "mlp_out.3",
        "loss/reconstruction": 1.5,
        "l0": 20.25,
        "dead_share": 0.5,
        "learning_rate": 1e-3,
        "sparsity": 2.0,
        "tokens_per_second": 1234.6,
    }
    assert second["site"] == "mlp_out.4"


@pytest.mark.skipif(find_spec("tensorboard") is not None, reason="TensorBoard is installed")
def test_tensorboard_that_is_missing_is_an_error(tmp_path):
    with (
        pytest.raises(DictionaryError, match="not installed"),
        TrainingLog(tmp_path / "training.jsonl", tensorboard=tmp_path / "events"),
    ):
        pass
    assert not (tmp_path / "training.jsonl").exists()


def test_tensorboard_gets_every_figure(tmp_path, monkeypatch):
    written = []

    class Writer:
        def add_scalar(self, name, value, step):
            written.append((name, value, step))

        def close(self):
            written.append("closed")

    monkeypatch.setattr("dictionaries.training.log._tensorboard_writer", lambda _: Writer())
    with TrainingLog(tmp_path / "training.jsonl", tensorboard=tmp_path / "events") as log:
        log(MOMENT)
    assert ("mlp_out.3/l0", 20.25, 50) in written
    assert ("mlp_out.3/loss/reconstruction", 1.5, 50) in written
    assert written[-1] == "closed"
