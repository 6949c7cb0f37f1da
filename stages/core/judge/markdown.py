"""Numbers, intervals and tables for people, as Markdown."""


def number(value, sign="") -> str:
    """A value for people: whole numbers in full, others with four decimals, or one if large."""
    if value is None or isinstance(value, str):
        return value or "-"
    decimals = 0 if isinstance(value, int) else 4 if abs(value) < 100 else 1
    return f"{value:{sign}z,.{decimals}f}"  # z: no -0.0000


def share(value, form=".3f", least=0.001) -> str:
    """A probability or a share for people, which never looks like 0 or 1.

    least: what is nearer to 0 or 1 than this says so.
    """
    if value < least:
        return f"<{least:{form}}"
    return f">{1 - least:{form}}" if value > 1 - least else f"{value:{form}}"


def span(low, high) -> str:
    """An interval for people."""
    return f"{number(low, '+')} to {number(high, '+')}"


def change(found) -> str:
    """The difference of a comparison, or of its typical fold, for people."""
    return f"{number(found.mean, '+')} ({span(found.low, found.high)})"


def table(header: list[str], rows: list[list[str]]) -> str:
    """A Markdown table. A cell cannot break it."""
    cells = [[" ".join(str(cell).split("\n")).replace("|", "\\|") for cell in row] for row in rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in [header, ["---"] * len(header), *cells])
