"""Which spaCy models there are, and whether each can be loaded."""

import spacy

from detectors.presidio.installed import installed_models


def test_each_is_loaded_and_what_hinders_it_is_named(monkeypatch):
    def load(name):
        if name != "whole":
            raise {"damaged": OSError, "old": ValueError}[name]("no matter")

    monkeypatch.setattr(spacy.util, "get_installed_models", lambda: ["whole", "old", "damaged"])
    monkeypatch.setattr(spacy, "load", load)
    assert installed_models() == {"damaged": "OSError", "old": "ValueError", "whole": None}
    assert list(installed_models()) == ["damaged", "old", "whole"]
