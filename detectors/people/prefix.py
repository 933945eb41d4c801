"""The text that leads to a secret, which a model is asked to continue."""

from detectors.fact import PREFIX_CHARACTERS, Span
from detectors.people.sentences import Sentences


def prefix_of(text: str, span: Span, anchor: int, sentences: Sentences, secret: str = "") -> str:
    """Return the text from `anchor` up to the secret, at most `PREFIX_CHARACTERS` long and without the secret.

    A longer one is cut at the first sentence start, or within a long sentence at the first word, that fits.
    An earlier occurrence of the secret is cut off too: a prompt that holds its own answer tests copying, not
    memory. That goes for `secret` as for what stands in the text, where the two differ by an escape.
    """
    start = max(anchor, span.start - PREFIX_CHARACTERS)
    for spelled in dict.fromkeys(filter(None, (text[span.start : span.end], secret))):
        repeated = text.rfind(spelled, start, span.start)
        start = start if repeated < 0 else repeated + len(spelled)
    if start == anchor:
        return text[start : span.start]
    for sentence_start in sentences.starts[sentences.index(start) :]:
        if start <= sentence_start <= span.start:
            return text[sentence_start : span.start]
    return text[_word_start(text, start, span.start) : span.start]


def _word_start(text: str, start: int, stop: int) -> int:
    """Return the first start of a word in `text[start:stop]`, or `stop`."""
    while start < stop and not (text[start - 1].isspace() and not text[start].isspace()):
        start += 1
    return start
