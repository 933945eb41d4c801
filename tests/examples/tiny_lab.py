"""A lab like the embedded one, in small: two people's telephone numbers, a random model, and dictionaries."""

import json

import torch
import yaml
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from dictionaries import ARCHITECTURES, DictionaryConfig, Site, save_dictionaries
from editor.lab import Lab
from editor.model.loading import quiet

PEOPLE, OTHERS, WIDTH, FEATURES = 2, 60, 16, 32
ENTITY = "PHONE_NUMBER"


def make_tiny_lab(lab, folder):
    """Write a small lab into a folder, after the embedded one, and return it."""
    policy, request = (yaml.safe_load(path.read_text(encoding="utf-8")) for path in (lab.policy, lab.request))
    policy["entities"] = {ENTITY: policy["entities"][ENTITY]}
    request["subjects"] = request["subjects"][:PEOPLE]
    names = [subject["name"] for subject in request["subjects"]]
    records = [json.loads(line) for line in lab.corpus.read_text(encoding="utf-8").splitlines()]
    theirs = [record for record in records if set(names) & set(record["subjects"])]
    others = [record for record in records if record not in theirs][:OTHERS]
    asked = [json.loads(line) for line in lab.probes.read_text(encoding="utf-8").splitlines()]
    small = Lab(folder=folder)
    small.policy.write_text(yaml.safe_dump(policy), encoding="utf-8")
    small.request.write_text(yaml.safe_dump(request), encoding="utf-8")
    write_lines(small.corpus, theirs + others)
    write_lines(small.probes, [probe for probe in asked if probe.get("subject") in names][:8])
    layers = write_model(lab.model, small.model)
    made = {Site(layer, "mlp_out"): make_dictionary(Site(layer, "mlp_out")) for layer in range(layers)}
    save_dictionaries(made, small.dictionaries("gated"))
    return small


def write_model(like, folder):
    """Write a model of the lab's shape, narrow and random, with the lab's tokenizer; return its number of layers."""
    config = AutoConfig.from_pretrained(like)
    config.n_embd, config.dtype = WIDTH, "float32"
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "ln_" not in name:
                parameter.mul_(8)  # far from uniform predictions
    with quiet():
        model.save_pretrained(folder)
        AutoTokenizer.from_pretrained(like).save_pretrained(folder)
    return config.n_layer


def make_dictionary(site):
    made = ARCHITECTURES["gated"](DictionaryConfig(site=site, width=WIDTH, features=FEATURES))
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.copy_(torch.randn_like(parameter) * 0.3)
    return made


def write_lines(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
