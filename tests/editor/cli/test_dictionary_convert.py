"""`expunge dictionary convert`: between formats, with what the files do not say asked for."""

import json
import subprocess
import sys

import pytest
import torch
from click.testing import CliRunner
from published import MAKERS, D

from dictionaries import load_dictionaries
from dictionaries.model.sites import Site
from editor.cli.dictionary import dictionary
from policies.errors import DictionaryError, OutputError


def convert(*arguments):
    result = CliRunner().invoke(dictionary, ["convert", *map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_to_sae_lens_and_back(tmp_path):
    published = MAKERS["dl_gated"](tmp_path / "p")
    said = convert(published.path, "--to", "sae-lens", "--output", tmp_path / "lens")
    assert "resid_post.4: gated, width 12, 20 features, as sae-lens" in said
    config = json.loads((tmp_path / "lens" / "cfg.json").read_text())
    assert config["architecture"] == "gated"
    assert config["metadata"]["hook_name"] == "blocks.4.hook_resid_post"
    convert(tmp_path / "lens", "--to", "dictionary-learning", "--output", tmp_path / "back")
    x = torch.randn(50, D, generator=torch.Generator().manual_seed(0))
    (again,) = load_dictionaries(tmp_path / "back").values()
    torch.testing.assert_close(again(x), published.compute(x)[1], atol=1e-5, rtol=1e-5)


def test_what_the_files_do_not_say_is_written_down(tmp_path):
    published = MAKERS["bae"](tmp_path / "p")
    with pytest.raises(DictionaryError, match=r"--site mlp_out\.3"):
        convert(published.path, "--output", tmp_path / "own")
    assert not (tmp_path / "own").exists()
    convert(published.path, "--output", tmp_path / "own", "--site", "mlp_out.3")
    assert list(load_dictionaries(tmp_path / "own")) == [Site(3)]
    scaled = MAKERS["standard_scaled"](tmp_path / "s")
    convert(scaled.path, "--output", tmp_path / "scaled", "--input-scale", 2.7)
    (loaded,) = load_dictionaries(tmp_path / "scaled").values()
    assert loaded.input_scale == 2.7


def test_several_get_a_folder_each(tmp_path):
    MAKERS["standard"](tmp_path / "p" / "a")
    MAKERS["dl_topk"](tmp_path / "p" / "b")
    convert(tmp_path / "p", "--to", "sae-lens", "--output", tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["resid_post.3", "resid_post.4"]
    assert list(load_dictionaries(tmp_path / "out")) == [Site(3, "resid_post"), Site(4, "resid_post")]


def test_nothing_is_replaced_unasked(tmp_path):
    path = MAKERS["standard"](tmp_path / "p").path
    arguments = (path, "--to", "sae-lens", "--output", tmp_path / "out")
    convert(*arguments)
    with pytest.raises(OutputError, match="already holds a dictionary of sae-lens"):
        convert(*arguments)
    convert(*arguments, "--overwrite")
    with pytest.raises(OutputError, match="already holds a dictionary of sae-lens"):
        convert(path, "--to", "dictionary-learning", "--output", tmp_path / "out", "--overwrite")
    with pytest.raises(OutputError, match="already holds"):
        convert(path, "--to", "sae-lens", "--output", path)


def test_formats_that_cannot_be_written_or_lack_an_architecture(tmp_path):
    bae = MAKERS["bae"](tmp_path / "b").path
    for target in ("sae-lens", "dictionary-learning"):
        with pytest.raises(DictionaryError, match="no binary dictionaries"):
            convert(bae, "--site", "mlp_out.3", "--to", target, "--output", tmp_path / target)
        assert not (tmp_path / target).exists()
    normed = MAKERS["standard_layer_norm"](tmp_path / "n").path
    with pytest.raises(DictionaryError, match="no layer_norm dictionaries"):
        convert(normed, "--to", "dictionary-learning", "--output", tmp_path / "dl")
    given = ["convert", str(bae), "--to", "gemma-scope", "--output", str(tmp_path / "g")]
    result = CliRunner().invoke(dictionary, given)
    assert result.exit_code == 2
    assert "expunge, sae-lens, dictionary-learning" in result.output


def test_help_names_the_formats_and_importing_stays_light():
    assert "[expunge|sae-lens|dictionary-learning]" in convert("--help").replace("\n", "")
    code = "import sys, editor.cli.dictionary.convert; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
