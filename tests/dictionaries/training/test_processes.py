"""Training in two processes on one machine, started as a user would."""

from dataclasses import replace

import pytest
import torch
from launching import launch
from safetensors.torch import load_file

from dictionaries.architectures import ARCHITECTURES
from dictionaries.model.activations import Statistics
from dictionaries.model.sites import Site
from dictionaries.training.processes import ALONE, Processes
from dictionaries.training.site_trainer import SiteTrainer
from policies.errors import DictionaryError

WORKER = """
import sys, torch
from dictionaries.training.processes import join_processes
from dictionaries.architectures import ARCHITECTURES
from dictionaries.model.activations import Statistics
from dictionaries.config import TrainingConfig
from dictionaries.training.site_trainer import SiteTrainer
from dictionaries.model.sites import Site
from safetensors.torch import save_file
from dataclasses import replace

processes = join_processes(cpu=True)
assert processes.count == 2
x = torch.randn(64, 24, generator=torch.Generator().manual_seed(0))
for name in ("gated", "topk"):
    kind = ARCHITECTURES[name]
    config = replace(kind.defaults, features=40, steps=60, batch_size=64, k=4, resample_every=15)
    trainer = SiteTrainer(kind, Site(0), statistics=Statistics(x.mean(0), 24.0, 24.0), config=config, width=24,
        model_name="", generator=torch.Generator().manual_seed(0), processes=processes)
    trainer.dictionary.b_enc.data[:5] = -100.0
    for step in range(40):
        trainer.step(x[processes.index::2], step)
        if step in (0, 39):
            save_file({n: p.contiguous() for n, p in trainer.dictionary.state_dict().items()},
                f"{sys.argv[1]}/{name}-{step}-{processes.index}.safetensors")
    assert trainer.revived >= 5
"""


@pytest.mark.slow
def test_averaged_gradients_are_those_of_the_whole_batch(tmp_path):
    """After one step; and after forty, with revivals, both processes still hold the same dictionary."""
    (tmp_path / "worker.py").write_text(WORKER)
    launch(tmp_path / "worker.py", tmp_path, cwd=".")
    x = torch.randn(64, 24, generator=torch.Generator().manual_seed(0))
    for name in ("gated", "topk"):
        for step in (39, 0):
            first, second = (load_file(tmp_path / f"{name}-{step}-{index}.safetensors") for index in (0, 1))
            assert all(torch.equal(first[key], second[key]) for key in first)
        kind = ARCHITECTURES[name]
        config = replace(kind.defaults, features=40, steps=60, batch_size=64, k=4, resample_every=15)
        alone = SiteTrainer(
            kind,
            Site(0),
            statistics=Statistics(x.mean(0), 24.0, 24.0),
            config=config,
            width=24,
            model_name="",
            generator=torch.Generator().manual_seed(0),
        )
        alone.dictionary.b_enc.data[:5] = -100.0
        alone.step(x, 0)
        for key, value in alone.dictionary.state_dict().items():
            torch.testing.assert_close(first[key], value, atol=1e-6, rtol=1e-5, msg=f"{name} {key}")


def test_one_process_does_nothing_and_shares_must_be_even():
    tensor = torch.arange(3.0)
    assert ALONE.main
    assert ALONE.total(tensor) is tensor
    batches = iter("abc")
    assert ALONE.shard(batches) is batches
    two = Processes(index=1, count=2)
    assert not two.main
    assert two.share(64) == 32
    assert two.shard("abcde") == ["b", "d"]
    with pytest.raises(DictionaryError, match="cannot be shared by 2"):
        two.share(63)
    with pytest.raises(DictionaryError, match="cannot be shared by 2"):
        two.shard("a")
