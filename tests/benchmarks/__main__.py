"""`make benchmarks`: ratios of our code against plain implementations, both in one run.

Training of dictionaries has a benchmark of its own (`python -m tests.benchmarks.dictionaries`).
"""

from itertools import chain

from rich.console import Console
from rich.table import Table

from tests.benchmarks.audit import audit_rows, memory_row
from tests.benchmarks.detection import detection_lines, detection_rows
from tests.benchmarks.pretrained import pretrained_rows


def main() -> None:
    """Run every benchmark and print a table."""
    table = Table(title="Ratios in one run (above 1 is faster than the plain way)", title_justify="left")
    for name in ("What", "Plain, seconds", "Here, seconds", "Ratio", "Same answers"):
        table.add_column(name)
    for row in chain(audit_rows(), pretrained_rows(), detection_rows()):
        ratio = f"{row.plain_seconds / row.our_seconds:.1f}"
        table.add_row(row.name, f"{row.plain_seconds:.1f}", f"{row.our_seconds:.1f}", ratio, row.agreement)
    console = Console(width=160)
    console.print(table)
    console.print(memory_row())
    for line in detection_lines():
        console.print(line)


main()
