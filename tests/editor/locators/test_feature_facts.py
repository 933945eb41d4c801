"""What features add to facts, against the locator's own scores."""

import pytest
import torch
from problems import ERASE, encode, random_dictionaries

from editor.artefacts.masking import CaseKey
from editor.locators.feature_facts import attribute_facts
from editor.locators.features import FeatureAttribution
from editor.questions.probes import Probe, Target


def probes(pairs, subject="Ada Quill", group="erased"):
    target = Target(subject=subject, relation="PHONE_NUMBER", answer=pairs[0][1], personal=True, group=group)
    return [Probe(target=target, prompt=prompt, wording="template", split="locating") for prompt, _ in pairs]


@pytest.mark.parametrize(("family", "stream"), [("gpt2", "mlp_out"), ("llama", "resid_post")])
def test_a_fact_gets_what_attribution_gives_its_probes(loaded, family, stream):
    model = loaded(family)
    dictionaries = random_dictionaries(model, stream=stream)
    expected = FeatureAttribution(steps=1, contrast=0).fit(model, encode(model, ERASE), [], dictionaries)
    features = {site: torch.tensor([3, 17, 40]) for site in dictionaries}
    other = probes([("Cora Finch answers at", "212-555-0188")], "Cora Finch", "others")
    found = attribute_facts(model, [*probes(ERASE), *other], dictionaries, features)
    assert [target.subject for target in found.targets] == ["Ada Quill"]
    for site, index in features.items():
        torch.testing.assert_close(found.logits[site][0], expected.raw[site][index], rtol=1e-3, atol=1e-4)


def test_each_fact_has_its_own_figure_and_label(loaded):
    model = loaded("gpt2")
    dictionaries = random_dictionaries(model)
    features = {site: torch.arange(48) for site in dictionaries}
    mine, other = probes(ERASE[:1]), probes([("Cora Finch answers at", "212-555-0188")], "Cora Finch")
    alone = [attribute_facts(model, each, dictionaries, features) for each in (mine, other)]
    both = attribute_facts(model, [*mine, *other], dictionaries, features)
    for site in dictionaries:
        together = torch.cat([one.logits[site] for one in alone])
        torch.testing.assert_close(both.logits[site], together, rtol=1e-3, atol=1e-4)
    site = next(iter(dictionaries))
    key = CaseKey.generate()
    index = int(both.logits[site][0].argmax())
    labels = both.of(site, index, key, 5)
    assert labels[0][1] == pytest.approx(float(both.logits[site][:, index].max()))
    assert all(label.startswith("PHONE_NUMBER ") and "555" not in label for label, _ in labels)
    assert "Ada" not in repr(both)
