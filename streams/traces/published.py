"""What the authors of the trace published: six policies on nine mixes, ten seeds each.

The one thing to know: a mix is found by the name of its pods' file, so a file that was renamed has
no figures to stand beside.
"""

from pathlib import Path
from statistics import median
from typing import Final

from streams.traces.table import decimal_of, read_table

FILES: Final = (
    ("gpu_allocated", "analysis_allo_discrete.csv.gz"),
    ("fragmented", "analysis_frag_ratio_discrete.csv.gz"),
)
"""Figures and their files, as they lie in one directory."""
_MIX_BEGINS: Final = "openb_pod_list_"


def mix_name(pods: Path) -> str:
    """The mix that a file of pods is of, by its name."""
    return pods.name.split(".")[0].removeprefix(_MIX_BEGINS)


def read_published(
    directory: Path, mix: str, marks: tuple[int, ...]
) -> dict[str, dict[str, float]]:
    """Medians of the published seeds at each mark; empty for a mix that is not among them."""
    found: dict[str, dict[str, list[float]]] = {}
    for figure, name in FILES:
        wanted = [str(mark) for mark in marks]
        table = read_table(directory / name, ("workload", "sc_policy", "seed", *wanted))
        for line, fields in table.lines():
            if fields[table.at("workload")] != f"{_MIX_BEGINS}{mix}":
                continue
            policy = fields[table.at("sc_policy")].partition("-")[2]
            of_policy = found.setdefault(policy, {})
            for mark in wanted:
                value = decimal_of(table.cell(line, fields, mark), 1_000, "per cent")
                of_policy.setdefault(f"{figure}_at_{mark}", []).append(float(value))
    return {
        policy: {name: round(median(values), 2) for name, values in figures.items()}
        for policy, figures in sorted(found.items())
    }
