"""What can be mistaken in a file: comparisons, connectives, arithmetic, negations, truth values and whole numbers."""

import ast
from collections.abc import Callable, Iterator

OTHERS = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.And: ast.Or,
    ast.Or: ast.And,
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
}


def changes(tree: ast.AST) -> Iterator[tuple[int, Callable[[], None]]]:
    """Yield the lines of what can be mistaken, each with what makes the mistake in the tree."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare) and type(node.ops[0]) in OTHERS:
            yield node.lineno, lambda one=node: one.ops.__setitem__(0, OTHERS[type(one.ops[0])]())
        elif isinstance(node, ast.BoolOp) or (isinstance(node, ast.BinOp) and type(node.op) in OTHERS):
            yield node.lineno, lambda one=node: setattr(one, "op", OTHERS[type(one.op)]())
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            yield node.lineno, lambda one=node: setattr(one, "op", ast.UAdd())
        elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
            yield node.lineno, lambda one=node: setattr(one, "value", not one.value)
        elif isinstance(node, ast.Constant) and isinstance(node.value, int):
            yield node.lineno, lambda one=node: setattr(one, "value", one.value + 1)


def mistaken(text: str, number: int) -> tuple[int, str]:
    """Return the line of a change of a file's text, by its number, and the text with it."""
    tree = ast.parse(text)
    line, change = list(changes(tree))[number]
    change()
    return line, ast.unparse(tree)


def count_changes(text: str) -> int:
    """Return how many changes of a file's text there are."""
    return sum(1 for _ in changes(ast.parse(text)))
