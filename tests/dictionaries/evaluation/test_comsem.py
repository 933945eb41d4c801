import json
import random

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from dictionaries.architectures.binary import BinaryAutoencoder
from dictionaries.architectures.relu import ReluSAE
from dictionaries.config import DictionaryConfig
from dictionaries.evaluation.chat_judge import ChatJudge, marked
from dictionaries.evaluation.comsem import ComSemSettings, comsem, judge_collected
from dictionaries.evaluation.judges import TraitJudge
from dictionaries.evaluation.passages import Passage, PassageReader
from dictionaries.evaluation.top_tokens import Salience, TopTokens
from dictionaries.model.sites import Site, capture
from dictionaries.model.tokens import token_batches
from policies.errors import DictionaryError, ModelError

NAMES = ("Ada Quill", "Bo Fern", "Cy Marsh", "Dee Holt", "Eli Stone", "Fay Birch", "Gus Alton")
PLANTED = {
    "a digit behind a hyphen": lambda ids, at, read: read(ids[at]).isdigit() and read(ids[at - 1]) == "-",
    "the word works": lambda ids, at, read: read(ids[at]).strip() == "works",
    "the first digit of four": lambda ids, at, read: (
        read(ids[at]).strip().isdigit()
        and not read(ids[at - 1]).strip().isdigit()
        and "".join(map(read, ids[at : at + 4])).strip().isdigit()
    ),
    "the full stop before the end": lambda ids, at, read: read(ids[at]) == "." and at == len(ids) - 1,
    "what follows in": lambda ids, at, read: read(ids[at - 1]) == " in",
    "the first token": lambda ids, at, read: at == 1,  # noqa: ARG005
}


def write_texts():
    drawn = random.Random(0)
    towns, jobs = ("Alton", "Birch", "Corran", "Delm", "Esk"), ("baker", "nurse", "pilot", "tailor", "smith")
    return [
        f"{drawn.choice(NAMES)} works as a {drawn.choice(jobs)} in {drawn.choice(towns)} since "
        f"{drawn.randint(1950, 2020)}. Number 555-0{drawn.randint(100, 999)}, "
        f"x{drawn.randint(1000, 9999)}.quill@ex.org."
        for _ in range(300)
    ]


@pytest.fixture(scope="module")
def batches(tokenizer):
    return list(token_batches(write_texts(), tokenizer, context=64))


def sae(features, width=16, seed=0):
    generator = torch.Generator().manual_seed(seed)
    one = ReluSAE(DictionaryConfig(site=Site(1), width=width, features=features)).requires_grad_(False)
    for parameter in one.parameters():
        parameter.copy_(torch.randn(parameter.shape, generator=generator))
    return one


def judged(batches, tokenizer, features, codes_of, **settings):
    """ComSem on codes that a function gives for a row's counted tokens."""
    dictionary, chosen = sae(features), ComSemSettings(**settings)
    top = TopTokens({"d": Salience.of(dictionary, range(features))}, places=40, random=1024, seed=0)
    for batch in batches:
        codes = torch.cat(
            [
                codes_of(ids[mask].tolist())[1:]
                for ids, mask in zip(batch.tokens, batch.attention, strict=True)
            ]
        )
        top.add(batch, batch.counted, {"d": codes})
    return judge_collected(top, tokenizer, {"d": dictionary}, TraitJudge(), chosen)["d"]


def test_planted_features_are_found(batches, tokenizer):
    read = {token: tokenizer.decode([token]) for token in range(len(tokenizer))}.__getitem__

    def codes_of(ids):
        return torch.tensor(
            [[float(at > 0 and rule(ids, at, read)) for rule in PLANTED.values()] for at in range(len(ids))]
        )

    found = judged(batches, tokenizer, len(PLANTED), codes_of)
    assert {
        name: one.accuracy >= 0.9 for name, one in zip(PLANTED, found.judged, strict=True)
    } == dict.fromkeys(PLANTED, True)
    assert found.interpretable == len(PLANTED)
    names = [one.name for one in found.judged]
    assert "“-”" in names[0]
    assert "work" in names[1]
    assert found.controls_passed <= 4
    assert found.judged[5].density == pytest.approx(300 / found.tokens)
    low, high = found.interval
    assert low < len(PLANTED) == high


def test_random_features_are_not(batches, tokenizer):
    generator = torch.Generator().manual_seed(1)
    found = judged(
        batches,
        tokenizer,
        100,
        lambda ids: (torch.rand(len(ids), 100, generator=generator) - 0.9).clamp_min(0),
    )
    assert found.rare == 0
    assert found.interpretable <= 4
    assert found.controls_passed <= 4


def test_names_show_no_more_than_masked_text(batches, tokenizer):
    """Features that fire on one secret number, and inside of one e-mail address."""
    read = {token: tokenizer.decode([token]) for token in range(len(tokenizer))}.__getitem__

    def codes_of(ids):
        pieces = [read(token) for token in ids]
        starts = [len("".join(pieces[:at])) for at in range(len(ids))]
        name = "".join(pieces).find("quill@")
        return torch.tensor(
            [
                [float(name <= start < name + 5), float(piece == "5")]
                for start, piece in zip(starts, pieces, strict=True)
            ]
        )

    found = judged(batches, tokenizer, 2, codes_of)
    for one in found.judged:
        assert one.name
        quoted = [part.split("”")[0] for part in one.name.split("“")[1:]]
        assert not any(character.isdigit() for part in quoted for character in part)
        assert "quill" not in one.name


def test_the_same_seed_gives_the_same_result(speaker, tokenizer, batches):
    def run(seed, features=6):
        settings = ComSemSettings(seed=seed, features=features, controls=10)
        return comsem(
            speaker, tokenizer, batches[:4], {"a": sae(12), "b": sae(12, seed=2)}, TraitJudge(), settings
        )

    one, two, other = run(1), run(1), run(2)
    assert one == two
    assert [each.feature for each in one["a"].judged] != [each.feature for each in other["a"].judged]
    assert len(one["a"].judged) == 6
    assert one["a"].count == pytest.approx(2 * one["a"].interpretable)
    json.dumps([each.accuracy for each in one["a"].judged])


@torch.no_grad()
def test_chosen_features_are_judged_as_they_are_among_all(speaker, tokenizer, batches):
    settings = ComSemSettings(features=3, controls=2)
    ones = {"a": sae(12), "b": sae(12, seed=1)}
    chosen = comsem(speaker, tokenizer, batches, ones, TraitJudge(), settings, chosen={"a": [7, 2, 7]})
    assert [one.feature for one in chosen["a"].judged] == [2, 7]
    assert len(chosen["b"].judged) == 3
    everyone = comsem(speaker, tokenizer, batches, ones, TraitJudge(), ComSemSettings(controls=2))
    assert list(chosen["a"].judged) == [everyone["a"].judged[2], everyone["a"].judged[7]]


def test_top_tokens_against_a_plain_loop(speaker, tokenizer, batches):
    dictionary = sae(8)
    top = TopTokens({"d": Salience.of(dictionary, [1, 5])}, places=12, random=64, seed=0)
    values, fired, read = {}, torch.zeros(2, dtype=torch.long), 0
    for batch in batches:
        with capture(speaker, [Site(1)], keys=False) as taken:
            speaker(batch.tokens, attention_mask=batch.attention.long())
        codes = dictionary.encode(taken.outputs[Site(1)][batch.counted])
        top.add(batch, batch.counted, {"d": codes})
        grid = torch.zeros(*batch.counted.shape, 2)
        grid[batch.counted] = codes[:, [1, 5]]
        fired += (codes[:, [1, 5]] > 0).sum(dim=0)
        values |= {read + row: grid[row] for row in range(len(grid))}
        read += len(grid)
    assert top.fired["d"].tolist() == fired.tolist()
    for index in range(2):
        best = top.best("d", index)
        largest = [float(one[:, index].max()) for one in values.values()]
        largest = sorted((one for one in largest if one > 0), reverse=True)[:12]
        mine = [float(values[row][position, index]) for row, position in best]
        assert mine == pytest.approx(largest, rel=2e-3)
    drawn = top.drawn()
    assert len(set(drawn)) == 64
    assert top.salient("d").tolist() == [(values[row][position] > 0).tolist() for row, position in drawn]
    assert set(top.rows) >= {row for row, _ in drawn}
    reader = PassageReader(tokenizer, top.rows, 100)
    texts = set(write_texts())
    assert all("".join(reader.read(*place)[:3]) in texts for place in drawn)


def test_a_bit_that_is_off_is_salient_where_it_is_mostly_on():
    one = BinaryAutoencoder(DictionaryConfig(site=Site(1), width=4, features=4))
    one.running_mean.copy_(torch.tensor([0.1, 0.9, 0.0, 0.5]))
    salience = Salience.of(one, range(4))
    codes = torch.tensor([[1.0, 1.0, 0.0, 1.0], [0.0, 0.0, 1.0, 0.0]])
    assert (salience.departures(codes) > 0).tolist() == [
        [True, False, False, False],
        [False, True, True, False],
    ]
    order = one.salience(codes)
    assert order[0, 0] > order[1, 0]
    assert order[1, 1] > order[0, 1]


def test_rare_and_silent_features_are_not_interpretable(batches, tokenizer):
    def codes_of(ids):
        codes = torch.zeros(len(ids), 2)
        codes[9, 1] = float(ids[:9] == first)
        return codes

    first = batches[0].tokens[-1, :9].tolist()
    found = judged(batches[:1], tokenizer, 2, codes_of)
    assert (found.rare, found.silent, found.interpretable) == (2, 1, 0)
    assert found.judged[0].name is None


def test_nothing_to_read_is_an_error(speaker, tokenizer):
    with pytest.raises(DictionaryError, match="not one token"):
        comsem(speaker, tokenizer, [], {"d": sae(4)}, TraitJudge())


@pytest.fixture(scope="module")
def chat(tokenizer):
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=len(tokenizer),
        n_embd=16,
        n_layer=1,
        n_head=2,
        n_positions=4096,
        bos_token_id=0,
        eos_token_id=0,
    )
    return GPT2LMHeadModel(config).eval()


@pytest.mark.parametrize("template", [None, "{% for m in messages %}{{ m['content'] }}{% endfor %}"])
def test_a_chat_model_names_and_judges(chat, tokenizer, batches, speaker, template, monkeypatch):
    monkeypatch.setattr(tokenizer, "chat_template", template, raising=False)
    judge = ChatJudge(chat, tokenizer, name_tokens=4)
    settings = ComSemSettings(features=2, controls=2, shown=3, held_back=2)
    found = comsem(speaker, tokenizer, batches[:4], {"d": sae(4)}, judge, settings)["d"]
    assert len(found.judged) == 2
    assert all(one.name is None or len(one.name) <= 200 for one in found.judged)


def test_a_chat_model_answers_by_the_larger_logit(chat, tokenizer, monkeypatch):
    judge = ChatJudge(chat, tokenizer)
    passages = [Passage("Call 55", "5", "-0142.", 6)] * 2
    seen = []

    class Said:
        def __init__(self, ids):
            seen.append(tokenizer.decode(ids[0]))
            self.logits = torch.zeros(1, 1, len(tokenizer))
            self.logits[0, 0, judge._ids[len(seen) == 1][0]] = 1.0

    monkeypatch.setattr(judge, "_model", _Called(chat, Said))
    assert judge.judge("a digit", passages) == [True, False]
    assert "Call 55<<5>>-0142." in seen[0]
    assert "digit 3 of a number" in seen[0]


class _Called:
    def __init__(self, model, answer):
        self._model, self._answer = model, answer

    def __call__(self, input_ids, use_cache):  # noqa: ARG002
        return self._answer(input_ids)

    def __getattr__(self, name):
        return getattr(self._model, name)


def test_a_question_longer_than_the_judge_reads_is_an_error(speaker, tokenizer):
    with pytest.raises(ModelError, match="reads 64 tokens"):
        ChatJudge(speaker, tokenizer).name([Passage("a" * 100, "b", "", 9)] * 9, [])


def test_marking_keeps_the_text():
    assert marked(Passage("He lives", " in", " Alton", 3)) == "He lives <<in>> Alton"
    assert marked(Passage("since ", "1", "984", 3)).endswith("in a year, the digit 1)")
