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


def changes(tree: ast.AST) -> Iterator[tuple[ast.expr, Callable[[], None]]]:
    """Yield what can be mistaken, each with what makes the mistake in the tree."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare) and type(node.ops[0]) in OTHERS:
            yield node, lambda one=node: one.ops.__setitem__(0, OTHERS[type(one.ops[0])]())
        elif isinstance(node, ast.BoolOp) or (isinstance(node, ast.BinOp) and type(node.op) in OTHERS):
            yield node, lambda one=node: setattr(one, "op", OTHERS[type(one.op)]())
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            yield node, lambda one=node: setattr(one, "op", ast.UAdd())
        elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
            yield node, lambda one=node: setattr(one, "value", not one.value)
        elif isinstance(node, ast.Constant) and isinstance(node.value, int):
            yield node, lambda one=node: setattr(one, "value", one.value + 1)


def mistaken(text: str, number: int) -> tuple[str, str]:
    """Make a change of a file's text, by its number; return what it changes, in words, and the text with it."""
    tree = ast.parse(text)
    node, change = list(changes(tree))[number]
    before = ast.unparse(node)
    change()
    return f"line {node.lineno}: {before} -> {ast.unparse(node)}", ast.unparse(tree)


def count_changes(text: str) -> int:
    """Return how many changes of a file's text there are."""
    return sum(1 for _ in changes(ast.parse(text)))
