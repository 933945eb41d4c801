"""Examples are drawn by what they lost when they were last seen."""

import torch

from editor.methods.shared.hard_examples import LEAST, HardExamples


def made(count, **given):
    return HardExamples(count, torch.Generator().manual_seed(0), **given)


def seen(hard, places, losses, rows):
    hard.see(places, torch.tensor(losses), torch.tensor(rows))


def test_an_example_that_loses_much_is_drawn_most():
    hard = made(4)
    seen(hard, [2, 0], [6.0, 2.0, 0.0], [0, 0, 1])
    assert hard.draw(50) == [2] * 50


def test_the_mean_over_its_tokens_counts_and_the_last_time():
    hard = made(2)
    seen(hard, [0, 1], [9.0, 3.0, 0.0, 0.0], [0, 1, 1, 1])  # 9 and 1 nats/token
    drawn = hard.draw(1000)
    assert 850 < drawn.count(0) < 950
    seen(hard, [0], [0.0], [0])
    assert hard.draw(50) == [1] * 50


def test_what_was_not_seen_counts_as_told():
    hard = made(3, unseen=5.0)
    seen(hard, [0, 1], [0.0, 0.0], [0, 1])
    assert hard.draw(50) == [2] * 50


def test_one_that_loses_nothing_may_still_be_drawn():
    hard = made(2)
    seen(hard, [0, 1], [0.0, LEAST / 10], [0, 1])
    assert set(hard.draw(50)) == {0, 1}


def test_some_are_drawn_from_alone_and_none_of_none():
    hard = made(3)
    seen(hard, [0], [8.0], [0])
    assert set(hard.draw(50, torch.tensor([1, 2]))) == {1, 2}
    assert hard.draw(0) == []
    assert made(0).draw(3) == []


def test_the_same_seed_draws_the_same():
    assert made(9, unseen=1.0).draw(20) == made(9, unseen=1.0).draw(20)
