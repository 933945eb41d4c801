from itertools import pairwise

import pytest
from growth import growth

from detectors.people.sentences import split_sentences


def pieces(text):
    sentences = split_sentences(text)
    return [text[slice(*sentences.bounds(index))].strip() for index in range(len(sentences))]


@pytest.mark.parametrize(
    "expected",
    [
        ["Ada Quill works here.", "Her number is (415) 555-0132.", "(415) 555-0199 is Ben's."],
        ["Dr. A. Quill met Ms. Ross of the U.S. Navy at 3.15 p.m. sharp.", "They left."],
        ["Is it 212-45-6789?", '"No!"', "She said so."],
        ["Write to ada@x.org.", "ben@y.org is wrong."],
        ["See no. 5 or tel. (415) 555-0132.", "He said no.", "Ada left."],
        ["Name: Ada Quill", "Phone: 415-555-0132"],
        ["Ellipsis… and on it goes", "New line"],
    ],
)
def test_sentences(expected):
    separator = "\n" if expected[0][-1].isalpha() else " "
    assert pieces(separator.join(expected)) == expected


@pytest.mark.parametrize("text", ["", "   ", " One. ", "No end", ". . . .", "\n\n\n"])
def test_sentences_cover_the_text_in_order(text):
    sentences = split_sentences(text)
    assert len(sentences) >= 1
    bounds = [sentences.bounds(index) for index in range(len(sentences))]
    assert bounds[-1][1] == len(text)
    assert all(before[1] == after[0] for before, after in pairwise(bounds))
    for index, (start, end) in enumerate(bounds):
        assert all(sentences.index(position) == index for position in range(start, end))


@pytest.mark.parametrize("run", [".", ".!", '?"', "\n", ". ", "a."])
def test_time_grows_with_length_only(run):
    short, long = run * 1_000, run * 20_000
    assert growth(lambda: split_sentences(short), lambda: split_sentences(long)) < 60  # its square: 400
