"""`health`: what log lines and series tell of hosts; templates, odd lines, rules, suspects.

The one thing to know: commands with a FILE work on that file alone and print one JSON object for
each line, each made from that line and earlier ones only; nothing needs to run.
"""

import typer

app = typer.Typer(
    help="Find templates and odd lines in logs, try rules, and see what made hosts ill.\n\n"
    "Example: flumina health templates app.log",
    no_args_is_help=True,
)
