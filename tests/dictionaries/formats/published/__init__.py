"""Dictionaries as others publish them: files of non-square shapes, and what each format's definition computes.

Every reference is written from the format's own definition, by loops or plain tensor formulas, with the tensors
as they are stored. None calls the code under test.
"""

from importlib import import_module

from published.parts import D, F, K, write_json

MAKERS = {
    make.__name__: make
    for name in (
        "of_sae_lens",
        "of_dictionary_learning",
        "of_others",
    )
    for make in import_module(f"published.{name}").ALL
}
"""Every published dictionary, by the name of the function that makes it."""

__all__ = ["MAKERS", "D", "F", "K", "write_json"]
