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


def cov(counts: Counter) -> str:
    return percent(counts["cov"], counts["n"])


def of_spans(c: Counter) -> list[str]:
    """The cells n, R_cov, its interval, R_ovl, P_any."""
    return [few(c["n"]), cov(c), interval(c["cov"], c["n"]), percent(c["ovl"], c["n"]), percent(c["any"], c["found"])]


def counts(rows: dict, kind: Kind, which: str) -> Counter:
    return Counter(rows.get(kind.name, {}).get(which, {}))


def missed(kind: Kind, within: Counter) -> bool:
    return kind.bar in BARS and 100 * within["cov"] < BARS[kind.bar] * within["n"]


def table(head: list[str], rows: list[list[str]]) -> list[str]:
    return [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}", *(f"| {' | '.join(row)} |" for row in rows), ""]


def of_types(kinds: list[Kind], ours: dict, peer: dict) -> list[str]:
    rows = []
    for kind in kinds:
        within, without = counts(ours, kind, "with"), counts(ours, kind, "without")
        their, bare = counts(peer, kind, "with"), counts(peer, kind, "without")
        bar = f"{BARS[kind.bar]:g} " + ("**missed**" if missed(kind, within) else "reached") if kind.bar in BARS else "–"
        rows.append([
            f"`{kind.name}`" if kind.name == kind.type else kind.name, kind.source, *of_spans(within), cov(without), cov(their), cov(bare), bar,
        ])  # fmt: skip
    head = ["type", "values of", "n", "R_cov", "95 %", "R_ovl", "P_any", "without: R_cov", "Presidio: R_cov", "Presidio without: R_cov", "bar"]
    return table(head, rows)


def of_classes(kinds: list[Kind], ours: dict, peer: dict) -> list[str]:
    rows = []
    for bar in dict.fromkeys(kind.bar for kind in kinds):
        of = [kind for kind in kinds if kind.bar == bar and kind.name in ours]

        def total(rows: dict, which: str, of: list[Kind] = of) -> Counter:
            return sum((counts(rows, kind, which) for kind in of), Counter())

        shares = [percent(c["cov"], c["n"], 2) for c in (total(ours, "with"), total(ours, "a"), total(ours, "b"), total(ours, "without"))]
        their, bare = total(peer, "with"), total(peer, "without")
        reached = sum(not missed(kind, counts(ours, kind, "with")) for kind in of)
        rows.append([
            bar, str(total(ours, "with")["n"]), shares[0], f"{shares[1]} / {shares[2]}", shares[3],
            f"{percent(their['cov'], their['n'], 2)} ({their['n']})", percent(bare["cov"], bare["n"], 2),
            f"{reached} of {len(of)} rows at {BARS[bar]:g}" if bar in BARS else f"{len(of)} rows, no bar",
        ])  # fmt: skip
    return table(["class", "n", "R_cov", "half a / b", "without: R_cov", "Presidio: R_cov (n)", "Presidio without", "bar reached"], rows)


def of_secrets(kinds: list[Kind], ours: dict) -> list[str]:
    """The issuers whose secrets are not all found."""
    secrets = {kind.name.removeprefix("SECRET, "): counts(ours, kind, "with") for kind in kinds if kind.type == "SECRET"}
    few_of = [f"{name} {percent(c['cov'], c['n'])} % of {c['n']}" for name, c in secrets.items() if c["cov"] < c["n"]]
    total = sum(secrets.values(), Counter())
    all_of = f"`SECRET`, {len(secrets)} forms: {percent(total['cov'], total['n'], 2)} % of {total['n']} ({interval(total['cov'], total['n'])})."
    return [f"{all_of} Not all found: {'; '.join(few_of)}." if few_of else f"{all_of} All of every form were found.", ""]


def of_misses(kinds: list[Kind], ours: dict, causes: dict[str, list[str]]) -> list[str]:
    lines = []
    for kind in kinds:
        within = counts(ours, kind, "with")
        if kind.type != "SECRET" and missed(kind, within):
            told = "; ".join(causes.get(kind.name, [])) or "none in half a, or no feature stands out"
            lines.append(f"- {kind.name}, {within['n'] - within['cov']} of {within['n']}: {told}")
    return ["Misses of half a by kind, where a bar is missed (a digit is 9, a letter A or a):", "", *lines, ""] if lines else []


def of_near_misses(rows: dict, peer: dict) -> list[str]:
    def cells(row: dict) -> list[str]:
        return [cell for which in ("with", "without") for c in [row.get(which, {})] for cell in (str(c.get("n", 0)), percent(c.get("hit", 0), c.get("n", 0)))]

    head = ["near misses, found as anything but a name", "n with context", "%", "n without", "%", "Presidio: n with", "%", "n without", "%"]
    return table(head, [[what, *cells(row), *cells(peer.get(what, {}))] for what, row in sorted(rows.items())])


def of_clean(rows: dict, peer: dict) -> list[str]:
    shown = []
    for name, ours in rows.items():
        words = ours["words"]
        names, others = 100 * ours["names"] / words, 100 * ours["others"] / words
        prose = ours["sort"] == "prose"
        reached = names <= 2 and others <= 0.1 if prose else names + others <= 0.1
        most = ", ".join(f"{kind} {count}" for kind, count in sorted(ours["kinds"].items(), key=lambda item: -item[1])[:4])
        their = peer.get(name)
        shown.append([
            name, str(words), f"{names:.3f}", f"{others:.3f}", f"{100 * ours['untrue'] / words:.3f}", "2 and 0.1" if prose else "0.1 in all",
            "reached" if reached else "**missed**", most,
            f"{100 * their['names'] / their['words']:.2f} / {100 * their['others'] / their['words']:.2f}" if their else "–",
        ])  # fmt: skip
    return table(["over-redaction", "words", "names, %", "others, %", "but URLs and e-mail, %", "bar", "", "most", "Presidio: names / others"], shown)


def of_data(rows: dict, peer: dict) -> list[str]:
    shown = []
    for file, kinds in rows.items():
        for kind, c in sorted(kinds.items(), key=lambda item: -item[1]["n"]):
            their = Counter(peer.get(file, {}).get(kind, {}))
            shown.append([file, f"`{kind}`", *of_spans(Counter(c)), f"{cov(their)} ({their['n']})", percent(their["any"], their["found"])])
    return table(["labelled files", "type", "n", "R_cov", "95 %", "R_ovl", "P_any", "Presidio: R_cov (n)", "Presidio: P_any"], shown)


def lines(kinds: list[Kind], ours: dict, peer: dict) -> list[str]:
    """The whole section, of the results of both engines."""
    types, their = ours["types"], peer.get("types", {})
    rows, their_rows = types["rows"], their.get("rows", {})
    kinds = [kind for kind in kinds if kind.name in rows]
    stray = sorted(types["stray"].items(), key=lambda item: -item[1])[:8]
    return [
        f"Seed {ours['seed']}, {types['texts']:,} texts; {', '.join(ours['versions'])}. "
        + (f"Presidio read {their['texts']:,} of them: {', '.join(peer['versions'])}." if their else "Without Presidio."),
        "",
        *of_classes(kinds, rows, their_rows),
        *of_types([kind for kind in kinds if kind.type != "SECRET"], rows, their_rows),
        *of_secrets(kinds, rows),
        *of_misses(kinds, rows, types["causes"]),
        f"Findings in these texts that touch no value: {', '.join(f'{kind} {n}' for kind, n in stray if n)}.",
        "",
        *of_near_misses(types["near"], their.get("near", {})),
        *(of_clean(ours["clean"], peer.get("clean", {})) if "clean" in ours else []),
        *(of_data(ours["data"], peer.get("data", {})) if ours.get("data") else []),
    ]


def write(path: Path, lines: list[str]) -> None:
    text = path.read_text(encoding="utf-8")
    if BEGIN not in text:
        raise SystemExit(f"{path} has no line {BEGIN}")
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    path.write_text(f"{before}{BEGIN}\n" + "\n".join(lines).rstrip() + f"\n{END}{after}", encoding="utf-8")
