"""Dictionaries as others publish them: files of non-square shapes, and what each format's definition computes.

Every reference is written from the format's own definition, by loops or plain tensor formulas, with the tensors
as they are stored. None calls the code under test.
"""

from published import of_dictionary_learning, of_others, of_sae_lens
from published.parts import D, F, K, write_json

MAKERS = {make.__name__: make for make in (*of_sae_lens.ALL, *of_dictionary_learning.ALL, *of_others.ALL)}

__all__ = ["MAKERS", "D", "F", "K", "write_json"]
