"""A simulation as one page that opens from a file: figures, charts, and how they came about.

The one thing to know: everything is inside the page, also its style; it asks no network for
anything, and it is readable in light and in dark.
"""

from collections.abc import Sequence
from html import escape
from typing import Final

import msgspec

from .charts import Chart, legend_of, svg_of


class Figures(msgspec.Struct, frozen=True):
    """A table: its columns, and rows whose first field is a name."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    best: Sequence[tuple[int, int]] = ()
    """Row and column of the best values."""
    note: str = ""


class Page(msgspec.Struct, frozen=True):
    """All that the page shows."""

    title: str
    subtitle: str
    policies: Sequence[str]
    tables: Sequence[Figures]
    charts: Sequence[Chart]
    notes: Sequence[str]
    command: str


STYLE: Final = """
:root{color-scheme:light dark;--back:#f7f7f5;--card:#fff;--ink:#1c2024;--soft:#667079;
--rule:#e3e5e6;--best:#e7f4ec;--c0:#0969a8;--c1:#d4570a;--c2:#11805b;--c3:#a0348c;--c4:#b58a00;
--c5:#4aa3df;--c6:#6b6f76;--c7:#8c5a3c}
@media(prefers-color-scheme:dark){:root{--back:#15181b;--card:#1d2125;--ink:#e8eaec;--soft:#98a2ab;
--rule:#31373c;--best:#173526;--c0:#5ab0ec;--c1:#f58a4b;--c2:#45c596;--c3:#dd7ccb;--c4:#e0b93a;
--c5:#9cd2f7;--c6:#b4b9bf;--c7:#c79a7c}}
*{box-sizing:border-box}
body{margin:0;background:var(--back);color:var(--ink);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{max-width:1280px;margin:0 auto;padding:36px 24px 56px}
h1{font-size:26px;line-height:1.25;margin:0 0 4px;letter-spacing:-.01em}
h2{font-size:15px;margin:0 0 10px}
.sub{color:var(--soft);margin:0 0 22px}
.card{background:var(--card);border:1px solid var(--rule);border-radius:10px;
padding:18px 20px;margin:0 0 18px;overflow-x:auto}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,430px),1fr));gap:18px}
.charts .card{margin:0}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums;font-size:13px}
th,td{padding:7px 6px;text-align:right;border-bottom:1px solid var(--rule);white-space:nowrap}
th{color:var(--soft);font-weight:500;font-size:12px}
th:first-child,td:first-child{text-align:left;padding-left:0}
tr:last-child td{border-bottom:0}
td.best{background:var(--best);font-weight:600}
td i,.legend i{display:inline-block;width:11px;height:11px;border-radius:3px;margin-right:8px}
.legend{list-style:none;display:flex;flex-wrap:wrap;gap:4px 22px;margin:4px 0 14px;padding:0}
svg{width:100%;height:auto;display:block}
.grid{stroke:var(--rule)}.tick,.axis{fill:var(--soft);font-size:12px}
.line{fill:none;stroke-width:2.2;stroke-linejoin:round;stroke-linecap:round}
.bound{fill:none;stroke:var(--soft);stroke-width:1.2;stroke-dasharray:4 4}
.note{color:var(--soft);font-size:13px;font-weight:400;margin:10px 0 0}
code{font:13px/1.5 ui-monospace,Menlo,Consolas,monospace;word-break:break-all}
footer{color:var(--soft);font-size:13px;margin-top:22px}footer p{margin:4px 0}
"""
_COLOURS: Final = "".join(
    f".line.c{n}{{stroke:var(--c{n})}}i.c{n}{{background:var(--c{n})}}" for n in range(8)
)


def page_text(page: Page) -> str:
    """The page as HTML."""
    tables = "".join(_table(each, page.policies) for each in page.tables)
    charts = "".join(
        f'<section class="card"><h2>{escape(chart.title)}'
        f'<span class="note"> {escape(chart.up)}</span></h2>{svg_of(chart)}</section>'
        for chart in page.charts
    )
    notes = "".join(f"<p>{escape(note)}</p>" for note in page.notes)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(page.title)}</title><style>{STYLE}{_COLOURS}</style></head><body><main>"
        f'<h1>{escape(page.title)}</h1><p class="sub">{escape(page.subtitle)}</p>'
        f'{tables}{legend_of(page.policies)}<div class="charts">{charts}</div>'
        f"<footer>{notes}<p>Made by <code>{escape(page.command)}</code></p></footer>"
        "</main></body></html>\n"
    )


def _table(figures: Figures, policies: Sequence[str]) -> str:
    head = "".join(f"<th>{escape(column)}</th>" for column in figures.columns)
    rows = []
    for number, row in enumerate(figures.rows):
        mark = ""
        if row[0] in policies:
            mark = f'<i class="c{list(policies).index(row[0]) % 8}"></i>'
        cells = [f"<td>{mark}{escape(row[0])}</td>"]
        for column, text in enumerate(row[1:], 1):
            best = ' class="best"' if (number, column) in figures.best else ""
            cells.append(f"<td{best}>{escape(text)}</td>")
        rows.append(f"<tr>{''.join(cells)}</tr>")
    note = f'<p class="note">{escape(figures.note)}</p>' if figures.note else ""
    return (
        f'<section class="card"><h2>{escape(figures.title)}</h2><table><thead><tr>{head}</tr>'
        f"</thead><tbody>{''.join(rows)}</tbody></table>{note}</section>"
    )
