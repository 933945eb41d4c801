"""A device that is unknown, or not here, is said to be that before anything is read."""

import pytest
import torch

from editor.model.checks.devices import check_device
from editor.model.loading import check_model
from policies.errors import ModelError


@pytest.mark.parametrize("device", ["gpu", "cuda:x", "", "cpu:zero", "cuda0"])
def test_an_unknown_device(device):
    with pytest.raises(ModelError, match="is no device"):
        check_device(device)


@pytest.mark.parametrize("device", ["cuda", "cuda:1"])
def test_no_gpu(monkeypatch, device):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ModelError, match=f"--device {device}: there is no GPU"):
        check_device(device)


def test_fewer_gpus(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    check_device("cuda:1")
    with pytest.raises(ModelError, match="there are 2 GPUs, counted from 0"):
        check_device("cuda:2")


def test_other_devices(monkeypatch):
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: False)
    for device in ("xpu", "mps", "meta"):
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
        with pytest.raises(ModelError, match="no such device"):
            check_device(device)


@pytest.mark.parametrize("device", ["auto", "cpu", "cpu:0"])
def test_what_is_always_there(device):
    check_device(device)


def test_the_device_comes_before_the_folder(tmp_path):
    with pytest.raises(ModelError, match="is no device"):
        check_model(str(tmp_path / "nowhere"), device="gpu")
