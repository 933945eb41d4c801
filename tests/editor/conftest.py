"""Checkpoints of tiny random decoders with a tokenizer, written once a session."""

from collections.abc import Callable
from copy import deepcopy
from functools import cache
from pathlib import Path

import pytest
import torch
from family_models import configs
from tokenizing import make_tokenizer
from transformers import AutoModelForCausalLM

from editor.methods.features.feature_edit import FeatureEdit
from editor.model.loading import LoadedModel, load_model, quiet

FAMILIES = configs(heads=2, groups=1)


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Write (once) and return the checkpoint folder of a family, in a dtype."""

    @cache
    def write(family: str, dtype: torch.dtype = torch.float32) -> Path:
        folder = tmp_path_factory.mktemp(f"{family}-{dtype}".replace(".", "-"))
        torch.manual_seed(sum(map(ord, family)))
        model = AutoModelForCausalLM.from_config(deepcopy(FAMILIES[family])).to(dtype)
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if "norm" in name or "ln_" in name:
                    parameter.add_(torch.randn_like(parameter) * 0.1)
                else:
                    parameter.mul_(8)  # far from uniform predictions, so that ranks mean something
        with quiet():  # what a test captures is what it did itself, whoever writes the checkpoint first
            model.save_pretrained(folder)
        make_tokenizer().save_pretrained(folder)
        return folder

    return write


@pytest.fixture
def short_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let FeatureEdit take few steps, where what an edit does to the model is judged elsewhere."""
    for name in ("steps", "warm_start_steps"):
        monkeypatch.setitem(FeatureEdit.__init__.__kwdefaults__, name, 10)


@pytest.fixture
def no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave a report's figures undrawn, where they are looked at elsewhere: drawing takes most of a small run."""
    from editor.report.figures.canvas import NARROW, WIDE, Chart

    def undrawn(name: str, title: str, caption: str, _: object) -> Chart:
        drawings = {layout.name: "<svg></svg>" for layout in (WIDE, NARROW)}
        return Chart(name=name, title=title, caption=caption, drawings=drawings)

    monkeypatch.setattr("editor.report.figures.canvas.chart", undrawn)


@pytest.fixture(scope="session")
def loaded(checkpoint: Callable[..., Path]) -> Callable[..., LoadedModel]:
    """Load a family's tiny checkpoint on the CPU. Tests must leave it as it was."""

    @cache
    def load(family: str, dtype: torch.dtype = torch.float32) -> LoadedModel:
        return load_model(str(checkpoint(family, dtype)), device="cpu")

    return load
