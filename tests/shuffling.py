"""`--shuffle SEED`: files in another order, and the tests of each file; the same seed gives the same order.

The tests of a file stay together: several processes share the work by files.
"""

import random

import pytest

DRAWN = "random"


def pytest_addoption(parser):
    parser.addoption(
        "--shuffle",
        metavar="SEED",
        help=f"shuffle files, and the tests inside each, by this seed; `{DRAWN}` draws one and says which",
    )


def pytest_configure(config):
    """Draw the seed once: processes that share the work must all have one order."""
    if config.option.shuffle == DRAWN:
        handed = getattr(config, "workerinput", {}).get("shuffle")
        config.option.shuffle = handed or str(random.SystemRandom().randrange(2**32))


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node):
    """Hand the seed to another process, which reads the command line again."""
    node.workerinput["shuffle"] = node.config.option.shuffle


def said(config):
    return f"shuffled: --shuffle {config.option.shuffle} gives this order again"


def pytest_report_header(config):
    return said(config) if config.option.shuffle else None


def pytest_terminal_summary(terminalreporter, config):
    """Say it once more: `--quiet` shows no header."""
    if config.option.shuffle:
        terminalreporter.write_line(said(config))


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config, items):
    if config.option.shuffle:
        items[:] = shuffled(items, config.option.shuffle)


def shuffled(items, seed):
    """Items in another order, those of a file together."""
    source = random.Random(seed)
    files = {}
    for item in items:
        files.setdefault(item.path, []).append(item)
    for tests in (groups := list(files.values())):
        source.shuffle(tests)
    source.shuffle(groups)
    return [item for tests in groups for item in tests]
