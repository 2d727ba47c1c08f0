"""The measurement as tables of Markdown, between the marks of docs/scrub.md."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from evaluate import wilson
from kinds import Kind

BEGIN, END = "<!-- pii:begin -->", "<!-- pii:end -->"
BARS = {"validated": 99.5, "secret": 99.5, "phone or date": 98.0, "name": 97.0, "organisation": 90.0}
FEW = 100


def percent(hits: int, n: int, digits: int = 1) -> str:
    """Rounded down, so that no bar is reached by rounding."""
    return f"{int(1000 * 10 ** (digits - 1) * hits / n) / 10**digits:.{digits}f}" if n else "–"


def interval(hits: int, n: int) -> str:
    low, high = wilson(hits, n)
    return f"{100 * low:.1f}–{100 * high:.1f}"


def few(n: int) -> str:
    return f"{n} †" if n < FEW else str(n)


def verdict(kind: Kind, counts: Counter) -> str:
    bar = BARS.get(kind.bar)
    if bar is None or not counts["n"]:
        return "–"
    return f"{bar:g} reached" if 100 * counts["cov"] / counts["n"] >= bar else f"**{bar:g} missed**"


def table(head: list[str], rows: list[list[str]]) -> list[str]:
    return [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}", *(f"| {' | '.join(row)} |" for row in rows), ""]


def of_types(kinds: list[Kind], ours: dict, peer: dict) -> list[str]:
    """One row a kind; the keys of both measurements are (row, with context)."""
    rows = []
    for kind in kinds:
        within, without = ours.get((kind.name, True), Counter()), ours.get((kind.name, False), Counter())
        their, bare = peer.get((kind.name, True), Counter()), peer.get((kind.name, False), Counter())
        rows.append([
            f"`{kind.name}`" if kind.name == kind.type else kind.name, kind.source, few(within["n"]), percent(within["cov"], within["n"]), interval(within["cov"], within["n"]),
            percent(within["ovl"], within["n"]), percent(within["any"], within["found"]), percent(without["cov"], without["n"]), percent(their["cov"], their["n"]),
            percent(bare["cov"], bare["n"]), verdict(kind, within),
        ])  # fmt: skip
    head = ["type", "values of", "n", "R_cov", "95 %", "R_ovl", "P_any", "without: R_cov", "Presidio: R_cov", "Presidio without: R_cov", "bar"]
    return table(head, rows)


def summed(kinds: list[Kind], ours: dict, peer: dict, context: bool) -> tuple[Counter, Counter]:
    total, their = Counter(), Counter()
    for kind in kinds:
        total.update(ours.get((kind.name, context), {}))
        their.update(peer.get((kind.name, context), {}))
    return total, their


def of_classes(kinds: list[Kind], ours: dict, peer: dict, halves: dict) -> list[str]:
    rows = []
    for bar in dict.fromkeys(kind.bar for kind in kinds):
        of = [kind for kind in kinds if kind.bar == bar]
        total, their = summed(of, ours, peer, True)
        bare, their_bare = summed(of, ours, peer, False)
        half = [sum((Counter(halves.get((kind.name, h), {})) for kind in of), Counter()) for h in "ab"]
        wanted = BARS.get(bar)
        reached = [kind for kind in of if wanted and verdict(kind, ours.get((kind.name, True), Counter())).endswith("reached")]
        rows.append([
            bar, str(total["n"]), percent(total["cov"], total["n"], 2), " / ".join(percent(h["cov"], h["n"], 2) for h in half), percent(bare["cov"], bare["n"], 2),
            percent(their["cov"], their["n"], 2), percent(their_bare["cov"], their_bare["n"], 2), f"{len(reached)} of {len(of)} at {wanted:g}" if wanted else f"{len(of)}, no bar",
        ])  # fmt: skip
    return table(["class", "n", "R_cov", "half a / b", "without: R_cov", "Presidio: R_cov", "Presidio without", "rows that reach the bar"], rows)


def of_secrets(kinds: list[Kind], ours: dict) -> list[str]:
    """The issuers whose secrets are not all found."""
    missed = []
    for kind in kinds:
        counts = ours.get((kind.name, True), Counter())
        if kind.type == "SECRET" and counts["cov"] < counts["n"]:
            missed.append(f"{kind.name.removeprefix('SECRET, ')} {percent(counts['cov'], counts['n'])} % of {counts['n']}")
    return [f"Issuers whose secrets are not all found: {'; '.join(missed)}." if missed else "Of every issuer all secrets were found.", ""]


def of_misses(kinds: list[Kind], ours: dict, causes: dict[str, list[str]]) -> list[str]:
    lines = []
    for kind in kinds:
        counts = ours.get((kind.name, True), Counter())
        if kind.type != "SECRET" and verdict(kind, counts).endswith("missed**"):
            told = "; ".join(causes.get(kind.name, [])) or "none in half a, or no feature stands out"
            lines.append(f"- {kind.name}, {counts['n'] - counts['cov']} of {counts['n']} ({kind.bar}): {told}")
    return [*lines, ""]


def of_near_misses(rows: dict) -> list[str]:
    """Keys: what is wrong, with context; counts `n` and `hit`."""
    whats = sorted({what for what, _ in rows})
    shown = []
    for what in whats:
        within, without = rows.get((what, True), Counter()), rows.get((what, False), Counter())
        shown.append([what, str(within["n"]), percent(within["hit"], within["n"]), str(without["n"]), percent(without["hit"], without["n"])])
    return table(["what is wrong", "n with context", "found, %", "n without", "found, %"], shown)


def of_clean(rows: list[tuple[str, str, dict, dict | None]]) -> list[str]:
    shown = []
    for name, sort, ours, peer in rows:
        words = ours["words"]
        most = ", ".join(f"{kind} {count}" for kind, count in sorted(ours["kinds"].items(), key=lambda item: -item[1])[:4])
        names, others = 100 * ours["names"] / words, 100 * ours["others"] / words
        reached = names <= 2 and others <= 0.1 if sort == "prose" else names + others <= 0.1
        theirs = f"{100 * peer['names'] / peer['words']:.2f} / {100 * peer['others'] / peer['words']:.2f}" if peer and peer["words"] else "–"
        shown.append([
            name, str(words), f"{names:.3f}", f"{others:.3f}", f"{100 * ours['untrue'] / words:.3f}", theirs, "2 and 0.1" if sort == "prose" else "0.1 in all",
            "reached" if reached else "**missed**", most,
        ])  # fmt: skip
    return table(["text", "words", "names, %", "others, %", "but URLs and e-mail, %", "Presidio: names / others", "bar", "", "most"], shown)


def of_data(rows: dict, peer: dict) -> list[str]:
    """Keys: file, type."""
    shown = []
    for (file, kind), counts in sorted(rows.items(), key=lambda item: (item[0][0], -item[1]["n"])):
        their = peer.get((file, kind), Counter())
        if counts["n"]:
            shown.append([
                file, f"`{kind}`", few(counts["n"]), percent(counts["cov"], counts["n"]), interval(counts["cov"], counts["n"]), percent(counts["ovl"], counts["n"]),
                percent(counts["any"], counts["found"]), percent(their["cov"], their["n"]), percent(their["any"], their["found"]),
            ])  # fmt: skip
    return table(["data", "type", "n", "R_cov", "95 %", "R_ovl", "P_any", "Presidio: R_cov", "Presidio: P_any"], shown)


def write(path: Path, lines: list[str]) -> None:
    text = path.read_text(encoding="utf-8")
    if BEGIN not in text:
        raise SystemExit(f"{path} has no line {BEGIN}")
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    path.write_text(f"{before}{BEGIN}\n" + "\n".join(lines).rstrip() + f"\n{END}{after}", encoding="utf-8")
