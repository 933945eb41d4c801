"""A tokenizer that stands in where a model's folder holds none: pieces of words, about as long as published ones have.

Its tokens are counted and never read. A piece is the same token wherever it stands, so what texts share is told as by
a real one.
"""

import re
from collections.abc import Sequence
from typing import Any
from zlib import crc32

PIECE = re.compile(r" ?[^\W\d_]{1,6}|\d{1,2}|\s(?=\S)|\s+| ?[^\w\s]|.", re.DOTALL)
"""Up to six letters with the space before them, up to two digits, a mark, or blanks."""


class RoughTokenizer:
    """What encodes texts as a fast tokenizer of transformers does, with offsets; it adds no special tokens.

    Args:
        vocabulary: number of tokens.
    """

    is_fast = True
    chat_template = None
    pad_token_id = bos_token_id = eos_token_id = 0
    all_special_ids: tuple[int, ...] = ()

    def __init__(self, vocabulary: int) -> None:
        self.vocabulary = vocabulary

    def __len__(self) -> int:
        return self.vocabulary

    def __call__(self, texts: str | Sequence[str], **asked: Any) -> dict[str, Any]:
        """Return token ids and offsets of a text, or of each of several; long ones in rows where that is asked."""
        if isinstance(texts, str):
            found = [(match.start(), match.end()) for match in PIECE.finditer(texts)]
            ids = [self._id(texts[start:end]) for start, end in found]
            if not asked.get("return_overflowing_tokens"):
                return {"input_ids": ids, "offset_mapping": found}
            most = int(asked["max_length"])
            return {"input_ids": [ids[start : start + most] for start in range(0, len(ids), most)]}
        each = [self(text, **asked) for text in texts]
        return {name: [one[name] for one in each] for name in ("input_ids", "offset_mapping")}

    def _id(self, piece: str) -> int:
        return 1 + crc32(piece.encode("utf-8", "replace")) % max(1, self.vocabulary - 1)
