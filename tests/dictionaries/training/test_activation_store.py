"""A store that goes on where another stood, and activations kept on disk."""

import json

import pytest
import torch

from dictionaries.model.sites import Site
from dictionaries.model.tokens import as_batches
from dictionaries.training.activation_store import ActivationStore
from dictionaries.training.fingerprint import activations_key
from policies.errors import DictionaryError, OutputError

SITES = (Site(0), Site(2))
SMALL = 4 * 16 * len(SITES) * 400  # bytes: 400 of 1,488 rows


@pytest.fixture(scope="module")
def batches():
    ids = torch.randint(1, 340, (48, 31), generator=torch.Generator().manual_seed(0))
    return list(as_batches(ids.view(8, 6, 31), special=[7]))


@pytest.fixture
def make(speaker, batches):
    def store(generator=None, **settings):
        generator = generator or torch.Generator().manual_seed(0)
        return ActivationStore(
            speaker, settings.pop("batches", batches), SITES, generator=generator, **settings
        )

    return store


def draw(store, count):
    return [store.batch(37) for _ in range(count)]


def same(left, right):
    return all(
        torch.equal(one[site], two[site]) for one, two in zip(left, right, strict=True) for site in SITES
    )


@pytest.mark.parametrize("budget", [1 << 30, SMALL], ids=["resident", "streaming"])
@pytest.mark.parametrize("drawn", [0, 1, 3, 11, 40, 97])
def test_a_restored_store_goes_on_bit_for_bit(make, budget, drawn):
    generator = torch.Generator().manual_seed(0)
    store = make(generator, budget_bytes=budget)
    assert store.resident == (budget != SMALL)
    draw(store, drawn)
    state, position = store.state(), generator.get_state()
    state = {name: value.clone() if torch.is_tensor(value) else value for name, value in state.items()}
    expected = draw(store, 60)
    again = torch.Generator()
    again.set_state(position)
    restored = make(again, budget_bytes=budget, state=state)
    assert same(draw(restored, 60), expected)
    assert (restored.tally.tokens, restored.tally.sinks) == (store.tally.tokens, store.tally.sinks)


def test_a_state_of_another_corpus_is_refused(make, batches):
    state = make().state()
    with pytest.raises(DictionaryError, match="the checkpoint's gave"):
        make(batches=batches[:-1], state=state)


@pytest.mark.parametrize("budget", [1 << 30, SMALL], ids=["resident", "streaming"])
def test_cached_activations_are_the_models(make, speaker, tmp_path, budget):
    plain = make(budget_bytes=budget)
    expected = draw(plain, 80)
    written = make(budget_bytes=budget, cache=tmp_path)
    assert same(draw(written, 80), expected)
    calls = []
    handle = speaker.transformer.wte.register_forward_hook(lambda *_: calls.append(1))
    read = make(budget_bytes=budget, cache=tmp_path)
    assert same(draw(read, 80), expected)
    handle.remove()
    assert not calls
    assert (read.tally.tokens, read.tally.sinks) == (plain.tally.tokens, plain.tally.sinks)
    (folder,) = tmp_path.iterdir()
    assert sorted(file.name for file in folder.iterdir()) == ["cache.json", "mlp_out.0.f32", "mlp_out.2.f32"]


def test_a_cache_serves_only_what_it_was_made_for(speaker, batches):
    key = activations_key(speaker, batches, SITES)
    assert activations_key(speaker, batches, SITES) == key
    others = [
        activations_key(speaker, batches[:-1], SITES),
        activations_key(speaker, batches, SITES[:1]),
        activations_key(speaker, [batch._replace(counted=~batch.counted) for batch in batches], SITES),
    ]
    with torch.no_grad():
        speaker.transformer.h[0].mlp.c_proj.bias[0] += 1e-3
        others.append(activations_key(speaker, batches, SITES))
        speaker.transformer.h[0].mlp.c_proj.bias[0] -= 1e-3
    assert len({key, *others}) == 5


def test_a_pass_that_broke_off_leaves_no_cache(make, speaker, tmp_path):
    def fail(*_):
        raise RuntimeError("broke off")

    handle = speaker.transformer.h[1].register_forward_hook(fail)
    with pytest.raises(RuntimeError, match="broke off"):
        make(cache=tmp_path)
    handle.remove()
    assert list(tmp_path.iterdir()) == []


def test_damaged_and_unwritable_caches_are_refused(make, tmp_path):
    make(cache=tmp_path / "cache")
    (folder,) = (tmp_path / "cache").iterdir()
    file = folder / "mlp_out.2.f32"
    file.write_bytes(file.read_bytes()[:-4])
    with pytest.raises(OutputError, match="another length"):
        make(cache=tmp_path / "cache")
    assert json.loads((folder / "cache.json").read_text())["version"] == 1
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be cached"):
        make(cache=tmp_path / "file")
