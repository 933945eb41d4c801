"""A training that was stopped goes on exactly where it stood."""

from dataclasses import replace

import pytest
import torch

from dictionaries.architectures import ARCHITECTURES
from dictionaries.model.sites import Site
from dictionaries.model.tokens import as_batches
from dictionaries.training.checkpoint import Checkpoints
from dictionaries.training.loop import train_dictionaries
from policies.errors import DictionaryError, OutputError

SITES = (Site(0), Site(2))
SMALL = 4 * 16 * len(SITES) * 400


@pytest.fixture(scope="module")
def batches():
    ids = torch.randint(1, 340, (48, 31), generator=torch.Generator().manual_seed(0))
    return list(as_batches(ids.view(8, 6, 31)))


def quick(name, **settings):
    settings = {"features": 40, "steps": 60, "batch_size": 64, "resample_every": 14, **settings}
    if name == "binary":
        settings = {"sparsity_warmup_steps": 40, "removal_every": 25, **settings}
    return replace(ARCHITECTURES[name].defaults, **settings)


class StoppedError(Exception):
    pass


def stop_at(step):
    def progress(what, done, _):
        if what == "training" and done == step:
            raise StoppedError

    return progress


def tensors(result):
    return [tensor for one in result.dictionaries.values() for tensor in one.state_dict().values()]


@pytest.mark.parametrize("name", sorted(ARCHITECTURES))
@pytest.mark.parametrize("budget", [1 << 30, SMALL], ids=["resident", "streaming"])
def test_resuming_gives_the_uninterrupted_dictionary(name, budget, speaker, batches, tmp_path):
    settings = quick(name), {"budget_bytes": budget}
    whole_log, log = [], []
    whole = train_dictionaries(
        speaker, batches, SITES, name, settings[0], log=whole_log.append, **settings[1]
    )
    checkpoints = Checkpoints(folder=tmp_path / "saved", every=15)
    with pytest.raises(StoppedError):
        train_dictionaries(
            speaker,
            batches,
            SITES,
            name,
            settings[0],
            checkpoints=checkpoints,
            progress=stop_at(40),
            **settings[1],
        )
    assert [folder.name for folder in checkpoints.folder.iterdir()] == ["step-000000030"]
    steps = []
    resumed = train_dictionaries(
        speaker,
        batches,
        SITES,
        name,
        settings[0],
        checkpoints=replace(checkpoints, resume=True),
        progress=lambda what, done, _: steps.append(done) if what == "training" else None,
        log=log.append,
        **settings[1],
    )
    assert steps[0] == 31
    assert all(torch.equal(a, b) for a, b in zip(tensors(whole), tensors(resumed), strict=True))
    assert [moment[:4] for moment in log] == [moment[:4] for moment in whole_log]
    for site in SITES:
        left, right = whole.reports[site], resumed.reports[site]
        assert replace(left, seconds=0.0) == replace(right, seconds=0.0)
    checkpoints.remove()
    assert not checkpoints.folder.exists()


def test_a_checkpoint_of_something_else_is_refused(speaker, batches, tmp_path):
    checkpoints = Checkpoints(folder=tmp_path, every=20)

    def run(given=batches, name="gated", **settings):
        return train_dictionaries(
            speaker, given, SITES[:1], name, quick(name, **settings), checkpoints=checkpoints
        )

    run()
    checkpoints = replace(checkpoints, resume=True)
    with pytest.raises(DictionaryError, match="another settings"):
        run(learning_rate=1e-4)
    with pytest.raises(DictionaryError, match="another architecture"):
        run(name="relu")
    with pytest.raises(DictionaryError, match="another model, corpus"):
        run(given=batches[1:])


def test_missing_and_damaged_checkpoints(tmp_path):
    checkpoints = Checkpoints(folder=tmp_path / "saved", every=1, resume=True)
    with pytest.raises(DictionaryError, match="There is no checkpoint"):
        checkpoints.load()
    state = {"a": {"b": torch.arange(3), "c": 0.1 + 0.2, "d": {}}, "e": None, "f": [1, "x"]}
    checkpoints.save(3, state)
    checkpoints.save(12, state)
    (folder,) = checkpoints.folder.iterdir()
    assert folder.name == "step-000000012"
    loaded = checkpoints.load()
    assert torch.equal(loaded["a"].pop("b"), torch.arange(3))
    assert loaded == {"a": {"c": 0.1 + 0.2, "d": {}}, "e": None, "f": [1, "x"]}
    good = {path: path.read_bytes() for path in folder.iterdir()}
    for path, old, new in (
        (folder / "state.safetensors", None, b"torn"),
        (folder / "state.safetensors", good[folder / "state.safetensors"][-8:], bytes(8)),
        (folder / "state.json", b"[1, ", b"[2, "),
        (folder / "state.json", b'{"a": {', b'{"other": {'),
        (folder / "state.json", None, b'{"version": 2, "sha256": {}, "state": 7}'),
        (folder / "state.json", None, b'{"version": 2, "state": {}}'),
        (folder / "state.json", None, b"7"),
    ):
        path.write_bytes(new if old is None else good[path].replace(old, new))
        assert path.read_bytes() != good[path]
        with pytest.raises(DictionaryError, match="is damaged"):
            checkpoints.load()
        path.write_bytes(good[path])
    (folder / "state.json").write_bytes(b'{"version": 1, "state": {}}')
    with pytest.raises(DictionaryError, match="has version 1"):
        checkpoints.load()
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="No checkpoint can be written"):
        Checkpoints(folder=tmp_path / "file", every=1).save(1, state)
