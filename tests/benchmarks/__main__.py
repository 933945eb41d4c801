"""`make benchmarks`: ratios of our code against plain implementations, both in one run on the embedded lab."""

from rich.console import Console
from rich.table import Table

from tests.benchmarks.audit import audit_rows, memory_row


def main() -> None:
    """Run every benchmark and print a table."""
    table = Table(title="Ratios in one run (above 1 is faster than the plain way)", title_justify="left")
    for name in ("What", "Plain, seconds", "Here, seconds", "Ratio", "Same answers"):
        table.add_column(name)
    for row in audit_rows():
        ratio = f"{row.plain_seconds / row.our_seconds:.1f}"
        table.add_row(row.name, f"{row.plain_seconds:.1f}", f"{row.our_seconds:.1f}", ratio, row.agreement)
    console = Console(width=160)
    console.print(table)
    console.print(memory_row())


main()
