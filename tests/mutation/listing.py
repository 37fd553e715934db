"""A script for mutmut's own interpreter: which mutants files have, and the text of chosen ones.

The one thing to know: it is run as a file, in an environment that has mutmut and nothing of ours.
Standard input is `{"list": [path, ...]}` or `{"make": [[path, index], ...]}`; standard output has
one line of JSON for each file, or for each mutant. An index is a place in what mutmut makes of a
file, so it is good for exactly that text of the file.
"""

import json
import sys
from collections.abc import Callable, Iterable
from importlib import import_module
from pathlib import Path
from typing import Any

Made = tuple[Any, list[Any], dict[int, str]]
"""The module, its mutations, and the operator of each by the identity of what it made."""


def main() -> None:
    """Answer what standard input asks."""
    asked = json.load(sys.stdin)
    for path in asked.get("list", ()):
        print(json.dumps({"path": path, "mutants": _listed(path)}), flush=True)
    made: tuple[str, Made] | None = None
    for path, index in asked.get("make", ()):
        if made is None or made[0] != path:
            made = (path, _made(path))
        module, mutations, _ = made[1]
        mutation = mutations[index]
        text = module.deep_replace(mutation.original_node, mutation.mutated_node).code
        print(json.dumps({"path": path, "index": index, "text": text}), flush=True)


def _made(path: str) -> Made:
    cst = import_module("libcst")
    maker = import_module("mutmut.mutation.file_mutation")
    names: dict[int, str] = {}

    def told(operator: Callable[[Any], Iterable[Any]]) -> Callable[[Any], Iterable[Any]]:
        def each(node: Any) -> Iterable[Any]:
            for mutated in operator(node):
                names[id(mutated)] = operator.__name__.removeprefix("operator_")
                yield mutated

        return each

    operators = maker.mutation_operators
    told_by = [(kind, told(operator)) for kind, operator in operators]
    vars(maker)["mutation_operators"] = told_by
    try:
        module, mutations, *_ = maker.create_mutations(path, Path(path).read_text("utf-8"))
    finally:
        vars(maker)["mutation_operators"] = operators
    inside = cst.FunctionDef
    kept = [each for each in mutations if isinstance(each.contained_by_top_level_function, inside)]
    return module, kept, names


def _listed(path: str) -> list[dict[str, Any]]:
    metadata = import_module("libcst.metadata")
    module, mutations, names = _made(path)
    wrapper = metadata.MetadataWrapper(module, unsafe_skip_copy=True)
    places = wrapper.resolve(metadata.PositionProvider)
    rows = []
    for index, each in enumerate(mutations):
        place = places.get(each.original_node)
        if place is None:  # libCST has no place for a few nodes of operators.
            continue
        rows.append(
            {
                "index": index,
                "operator": names[id(each.mutated_node)],
                "line": place.start.line,
                "column": place.start.column,
                "line_end": place.end.line,
                "column_end": place.end.column,
                "before": module.code_for_node(each.original_node).strip(),
                "after": module.code_for_node(each.mutated_node).strip(),
            }
        )
    return rows


if __name__ == "__main__":
    main()
