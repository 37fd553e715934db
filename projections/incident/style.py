"""The style of an exported incident.

The one thing to know: the file's content policy names the hash of this very text, so it is put in
as it stands. Contrasts are 4.5 or more on both grounds.
"""

from typing import Final

STYLE: Final = """
:root{color-scheme:light dark;--ground:#f6f7f9;--surface:#fff;--line:#d8dee5;--text:#1b232c;
--muted:#54606d;--warning:#7a5200;--critical:#b01e2e;--mark:#0b5c8a}
@media (prefers-color-scheme:dark){:root{--ground:#12171c;--surface:#191f26;--line:#2e3841;
--text:#e4e9ee;--muted:#a3afba;--warning:#eabf63;--critical:#ff8b94;--mark:#6cbaec}}
*{box-sizing:border-box}
body{margin:0;background:var(--ground);color:var(--text);
font:14px/1.45 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif}
main{max-width:1400px;margin:0 auto;padding:20px 24px 60px}
h1{font-size:22px;margin:0 0 6px}h2{font-size:16px;margin:0 0 8px}
h3,h4{font-size:14px;margin:14px 0 6px}
small{font-size:12px;color:var(--muted);font-weight:normal}
p{margin:4px 0;max-width:110ch}
section{background:var(--surface);border:1px solid var(--line);border-radius:6px;
padding:12px 14px;margin:14px 0}
.wide{overflow-x:auto}
table{border-collapse:collapse;font-size:13px}
.lines{table-layout:fixed;width:100%;min-width:1100px}
.lines th:nth-child(1){width:210px}.lines th:nth-child(2){width:130px}
.lines th:nth-child(3){width:190px}.lines th:nth-child(4){width:90px}
.lines th:nth-child(6){width:220px}.lines td{max-width:none}
th,td{text-align:left;vertical-align:top;padding:3px 14px 3px 0;border-bottom:1px solid var(--line)}
th{color:var(--muted);font-weight:600;white-space:nowrap}
td{overflow-wrap:anywhere;min-width:60px;max-width:70ch}
time,code{white-space:nowrap;font-variant-numeric:tabular-nums}
code{font:12px ui-monospace,Menlo,Consolas,"DejaVu Sans Mono",monospace}
p code{white-space:normal;overflow-wrap:anywhere}
.muted{color:var(--muted)}.warning{color:var(--warning)}.critical{color:var(--critical)}
details{border-top:1px solid var(--line);padding:6px 0}
summary{cursor:pointer;font-weight:600;overflow-wrap:anywhere}
svg{width:100%;height:auto;display:block}
svg text{font:12px system-ui,sans-serif;fill:var(--text)}
svg .axis{fill:var(--muted)}svg line{stroke:var(--line)}
svg .m{fill:var(--mark)}svg .warning{fill:var(--warning)}svg .critical{fill:var(--critical)}
@media print{section{break-inside:avoid-page;border:0;padding:0}body{background:none}}
"""
