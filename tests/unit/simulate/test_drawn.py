"""What a simulation's page draws: lines, bounds, numbers, tables, and nothing that is active."""

import pytest

from projections.simulate.charts import HEIGHT, Chart, Line, number, svg_of, ticks
from projections.simulate.page import Figures, Page, page_text


def chart(*lines: Line) -> Chart:
    """A chart of these lines."""
    return Chart("Title <b>", "across", "up", lines)


def test_a_chart_without_points_says_so() -> None:
    assert svg_of(chart(Line("a", []))) == '<p class="note">Nothing to draw.</p>'


def test_a_bound_is_dashed_and_takes_no_colour_of_a_result() -> None:
    points = [(0.0, 0.0), (10.0, 5.0)]
    drawn = svg_of(
        chart(Line("bound", points, is_dashed=True), Line("a", points), Line("b", points))
    )
    styles = [each.partition(" points=")[0] for each in drawn.split("<polyline ")[1:]]
    assert styles == [
        'class="bound"',
        'class="line c0" style="stroke-width:3.9"',
        'class="line c1" style="stroke-width:2.2"',
    ]
    assert 'aria-label="Title &lt;b&gt;"' in drawn


def test_a_stepped_line_holds_its_value_until_the_next_point() -> None:
    points = [(0.0, 0.0), (10.0, 5.0)]
    plain, stepped = (
        svg_of(chart(Line("a", points, is_stepped=each))).split('points="')[1].split('"')[0]
        for each in (False, True)
    )
    first, last = plain.split()
    assert stepped.split() == [first, f"{last.partition(',')[0]},{first.partition(',')[2]}", last]


def test_a_chart_of_one_point_has_a_frame_about_it() -> None:
    drawn = svg_of(chart(Line("a", [(3.0, 0.0)])))
    assert 'points="52.0,222.0"' in drawn
    assert float(drawn.split('points="')[1].split(",")[1].split('"')[0]) < HEIGHT


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (9_999, "9,999"),
        (10_000, "10k"),
        (-12_500, "-12.5k"),
        (12_345_000, "12,345k"),
        (10_000.5, "10,000.5"),
        (0.25, "0.25"),
    ],
)
def test_a_number_as_an_axis_shows_it(value: float, text: str) -> None:
    assert number(value) == text


def test_ticks_of_what_is_counted_are_whole() -> None:
    assert ticks(0, 2) == [0.0, 0.5, 1.0, 1.5, 2.0]
    assert ticks(0, 2, is_whole=True) == [0.0, 1.0, 2.0]


def test_a_table_marks_policies_and_the_best_and_leaves_other_rows_without_colour() -> None:
    figures = Figures(
        "Hosts", ("policy", "hosts"), [("pack", "3"), ("spread", "5"), ("bound", "2")], [(0, 1)]
    )
    page = Page("T & t", "sub", ["spread", "pack"], [figures], [], ["a <note>"], "flumina x")
    text = page_text(page)
    assert '<td><i class="c1"></i>pack</td><td class="best">3</td>' in text
    assert '<td><i class="c0"></i>spread</td><td>5</td>' in text
    assert "<td>bound</td><td>2</td>" in text
    assert "<title>T &amp; t</title>" in text
    assert "<p>a &lt;note&gt;</p>" in text
