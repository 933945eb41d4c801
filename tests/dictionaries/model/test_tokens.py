import torch

from dictionaries.model.tokens import as_batches, token_batches


def rows_of(batches):
    """Every row's real tokens by document, in the order of rows."""
    rows = {}
    for batch in batches:
        for tokens, attention, document in zip(batch.tokens, batch.attention, batch.documents, strict=True):
            rows.setdefault(int(document), []).append(tokens[attention].tolist())
    return rows


def test_every_text_is_read_as_the_tokenizer_reads_it(texts, tokenizer):
    batches = list(token_batches(texts, tokenizer, context=64, batch_size=7))
    assert rows_of(batches) == {index: [tokenizer(text)["input_ids"]] for index, text in enumerate(texts)}
    assert all(len(batch.tokens) <= 7 for batch in batches)


def test_special_tokens_and_padding_do_not_count(texts, tokenizer):
    for batch in token_batches(texts, tokenizer):
        assert not bool(batch.counted[:, 0].any())  # the BOS
        assert not bool((batch.counted & ~batch.attention).any())
        assert torch.equal(batch.counted, batch.attention & (batch.tokens != tokenizer.bos_token_id))


def test_long_texts_become_several_rows_that_lose_nothing(texts, tokenizer):
    text = " ".join(texts[:6])
    rows = rows_of(token_batches([text], tokenizer, context=20))[0]
    assert all(len(row) <= 20 and row[0] == tokenizer.bos_token_id for row in rows)
    together = sorted(token for row in rows for token in row[1:])
    assert together == sorted(tokenizer(text)["input_ids"][1:])


def test_empty_texts_are_left_out(tokenizer):
    assert rows_of(token_batches(["", "Ada", ""], tokenizer)).keys() == {1}
    assert list(token_batches([], tokenizer)) == []


def test_reading_is_lazy(texts, tokenizer):
    read = []

    def stream():
        for text in texts:
            read.append(text)
            yield text

    next(token_batches(stream(), tokenizer, batch_size=1))
    assert len(read) == min(64, len(texts))


def test_plain_tensors(tokens):
    (batch,) = as_batches([tokens], special=[int(tokens[0, 0])])
    assert bool(batch.attention.all())
    assert torch.equal(batch.counted, tokens != tokens[0, 0])
