"""Many cells behind the front: each launches what is routed to it, the same for the same seed."""

from msgspec.structs import replace

from streams.load.cells import markdown, measure_front
from streams.load.one_cell import AskedCell, CellFigures, cell_names, run_cell

ASKED = AskedCell("cell-1", cells=3, hosts=50, launches=60, seed=5)


def test_a_cell_launches_its_share_and_repeats_it_exactly() -> None:
    first, again = run_cell(ASKED), run_cell(ASKED)
    assert first.started == first.launches >= ASKED.launches
    assert first.hosts == ASKED.hosts
    assert first.digest == again.digest
    assert (first.records, first.bytes_written) == (again.records, again.bytes_written)
    assert first.launches_per_s > 0
    other = run_cell(replace(ASKED, cell="cell-2"))
    assert other.digest != first.digest


def test_the_front_spreads_jobs_over_all_cells() -> None:
    front = measure_front(10, seed=1)
    assert front.cells == 10
    assert 1.0 <= front.spread < 1.5
    assert min(front.routed_per_s, front.hashed_per_s, front.merged_pages_per_s) > 0


def test_the_report_adds_the_cells_up() -> None:
    cells = [
        CellFigures(name, 10, 1, 100, 100, 0.1, 0.5, 400, 20, 5_000, 50.0, "ab" * 16)
        for name in cell_names(2)
    ]
    page = markdown(cells, measure_front(2, 1), "flumina simulate cells", "2026-11-22", "here")
    assert "# 2 cells with 20 simulated hosts" in page
    assert "| 400/s |" in page
    assert "all started: True | 200 |" in page
