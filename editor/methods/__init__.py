"""Edit methods, one a file. A new one is a file and an entry in `METHODS`."""

from typing import ClassVar, Protocol

from editor.edit import Edit
from editor.methods.feature_edit import FeatureEdit
from editor.methods.feature_literal import FeatureLiteral
from editor.methods.problem import EditProblem
from editor.methods.random_features import RandomFeatures


class Method(Protocol):
    """Fits an edit to a problem and leaves the model as it was, bit for bit."""

    name: ClassVar[str]
    needs_dictionary: ClassVar[bool]

    def fit(self, problem: EditProblem) -> Edit:
        """Return the edit."""
        ...


METHODS: dict[str, type[Method]] = {
    method.name: method for method in (FeatureEdit, FeatureLiteral, RandomFeatures)
}

__all__ = ["METHODS", "EditProblem", "FeatureEdit", "FeatureLiteral", "Method", "RandomFeatures"]
