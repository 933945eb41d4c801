"""Small edit problems on tiny random models."""

import torch

from dictionaries import ARCHITECTURES, DictionaryConfig
from dictionaries.model.sites import Site, resolve
from editor.locators.features import FeatureAttribution
from editor.locators.problem import EditProblem
from editor.model.tokens import encode_answer

ERASE = [
    ("The phone number of Ada Quill is", "415-555-0132"),
    ("Ada Quill answers at", "415-555-0132"),
    ("The desk calls Ada Quill on", "415-555-0132"),
]
OTHERS = [("The phone number of Cora Finch is", "212-555-0188"), ("Cora Finch answers at", "212-555-0188")]
RETAIN = [
    ("Bruno Marsh lives at", "48 Alder Lane and works as a baker in Dover."),
    ("Cora Finch works as", "a baker in Dover. The phone number of Cora Finch is 212-555-0188."),
]


def encode(loaded, pairs):
    return [
        encode_answer(loaded.tokenizer, prompt, answer, i, 96) for i, (prompt, answer) in enumerate(pairs)
    ]


def random_dictionaries(loaded, architecture="relu", features=48, layers=(0, 1), stream="mlp_out"):
    """Dictionaries with random weights: unit directions, every feature firing now and then."""
    generator = torch.Generator().manual_seed(0)
    found = {}
    for layer in layers:
        site = Site(layer, stream)
        width = resolve(loaded.model, site).width
        dictionary = ARCHITECTURES[architecture](DictionaryConfig(site=site, width=width, features=features))
        with torch.no_grad():
            for parameter in dictionary.parameters():
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.3)
        found[site] = dictionary
    return found


def make_problem(loaded, architecture="relu", steps=1, contrast=0.0, stream="mlp_out"):
    dictionaries = random_dictionaries(loaded, architecture, stream=stream)
    erase = encode(loaded, ERASE)
    locator = FeatureAttribution(steps=steps, contrast=contrast)
    attribution = locator.fit(loaded, erase, encode(loaded, OTHERS), dictionaries)
    return EditProblem(
        loaded=loaded,
        erase=erase,
        chance=[torch.full((sum(sequence.marked),), -torch.inf) for sequence in erase],
        retain=encode(loaded, RETAIN),
        others=encode(loaded, [*OTHERS, *RETAIN]),
        dictionaries=dictionaries,
        attribution=attribution,
    )
