"""The longest file first: of two processes that take files in turn, neither then waits for the other's last one."""

pytest_plugins = ["launching", "shuffling", "tidiness"]

LONGEST = "test_lab_erase.py"


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: item.path.name != LONGEST)
