"""Edits by chance say how they were drawn."""

import pytest
from problems import make_problem

from editor.methods.features.feature_edit import FeatureEdit
from editor.methods.features.random_features import RandomFeatures


@pytest.mark.parametrize("norm", [0.5, None])
def test_random_features_record_their_seed_and_the_norm_they_matched(loaded, norm):
    like = FeatureEdit(units=20, steps=2, warm_start_steps=1, texts=1)
    method = RandomFeatures(like=like, norm=norm, seed=7)
    problem = make_problem(loaded("gpt2"))
    edit = method.fit(problem)
    for one in (edit, method.fit_from(problem, edit)):
        assert one.settings["seed"] == 7
        assert one.settings.get("norm") == norm
        assert one.settings["like.units"] == 20
        assert one.method == RandomFeatures.name
