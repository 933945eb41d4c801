"""Readers of models, adapters, edits and dictionaries, with valid files, small ones."""

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import torch

from fuzz.reader import Reader


@cache
def tiny_model() -> Any:
    from family_models import configs
    from transformers import AutoModelForCausalLM

    torch.manual_seed(0)
    return AutoModelForCausalLM.from_config(configs(heads=2, groups=1)["llama"]).eval()


@cache
def tiny_tokenizer() -> Any:
    from tokenizing import make_tokenizer

    return make_tokenizer()


def models() -> Iterator[Reader]:
    from editor.model.loading import load_model, quiet

    def write(folder: Path) -> None:
        with quiet():
            tiny_model().save_pretrained(folder / "model", max_shard_size="40KB")
        tiny_tokenizer().save_pretrained(folder / "model")

    def adapter(folder: Path) -> None:
        from adapters_made import lora, save_adapter_of

        write(folder)
        with quiet():
            save_adapter_of(folder / "model", lora(), folder / "adapter")

    def load(folder: Path) -> Any:
        return load_model(str(folder), device="cpu")

    yield Reader(
        "model folder",
        write,
        lambda folder: load(folder / "model"),
        ("model/*.json", "model/*.safetensors"),
        0.3,
    )
    yield Reader(
        "adapter folder", adapter, lambda folder: load(folder / "adapter"), ("adapter/adapter*",), 0.2
    )


def edits() -> Iterator[Reader]:
    from editor.edits.edit import Delta, Edit, MaskedDelta, Originals, load_originals
    from editor.edits.keeping import Keeping
    from editor.edits.records import (
        EDITS_FILE,
        EditedCheckpoint,
        EditRecord,
        declared_parameters,
        read_record,
    )
    from editor.edits.sealed import Lock

    lock = Lock(secret=bytes(range(32)), kind="key")
    record = EditRecord(
        case="case 00000000",
        subjects=("subject 00000000",),
        before="0" * 64,
        after="1" * 64,
        tensors={"a": ("0" * 64, "1" * 64)},
        originals="kept",
    )

    def write(folder: Path, keeping: Keeping) -> None:
        mask = torch.arange(12).reshape(3, 4) % 3 == 0
        deltas = {"a": Delta(left=torch.ones(3, 1), right=torch.ones(1, 4))}
        edit = Edit(
            deltas=deltas | {"b": MaskedDelta.from_dense(torch.ones(3, 4), mask)},
            method="m",
            settings={"s": 1.0},
        )
        originals = Originals(tensors={"a": torch.ones(3, 4)}, digest="0" * 64)
        edit.save(folder / "edit", originals, keeping=keeping, record=record, previous=(record,))

    def read(folder: Path, key: Lock | None) -> None:
        read_record(folder / "edit")
        declared_parameters(folder / "edit")
        load_originals(folder / "edit", key)
        Edit.load(folder / "edit", key)

    def reverted(folder: Path) -> None:
        EditedCheckpoint(folder=folder, edits=(record,), digest="0" * 64).write_record(folder)

    yield Reader(
        "edit folder", lambda folder: write(folder, Keeping()), lambda folder: read(folder, None), ("edit/*",)
    )
    yield Reader(
        "edit folder, encrypted",
        lambda folder: write(folder, Keeping(lock=lock)),
        lambda folder: read(folder, lock),
        ("edit/*",),
    )
    yield Reader("record of a reverted checkpoint", reverted, EditedCheckpoint.at, (EDITS_FILE,))


def dictionaries() -> Iterator[Reader]:
    from published import MAKERS

    from dictionaries import load_dictionaries, save_dictionary
    from dictionaries.architectures import ARCHITECTURES
    from dictionaries.config import DictionaryConfig
    from dictionaries.model.sites import Site
    from dictionaries.training.checkpoint import Checkpoints

    def published(name: str, make: Callable[[Path], Any]) -> Reader:
        def write(folder: Path) -> None:
            made = make(folder / "d")
            told.update(path=made.path.relative_to(folder), asked=made.asked)

        def read(folder: Path) -> None:
            load_dictionaries(folder / told["path"], **told["asked"])

        told: dict[str, Any] = {}
        return Reader(f"dictionary: {name}", write, read, ("d/**/*",), 0.4)

    for name, make in sorted(MAKERS.items()):
        yield published(name, make)

    def own(folder: Path) -> None:
        config = DictionaryConfig(site=Site(1), width=16, features=24, model="m", provenance={"steps": 1})
        save_dictionary(ARCHITECTURES["gated"](config, input_scale=1.5), folder / "d")

    yield Reader("dictionary: expunge", own, lambda folder: load_dictionaries(folder / "d"), ("d/*",))

    def trained(folder: Path) -> None:
        state = {"identity": {"a": 1}, "b": {"w": torch.ones(3), "n": 1.5}}
        Checkpoints(folder=folder / "c", every=1).save(3, state)

    yield Reader(
        "training state", trained, lambda folder: Checkpoints(folder=folder / "c").load(), ("c/**/*",)
    )
