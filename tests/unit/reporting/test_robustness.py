"""What corruptions cost, as the report shows it."""

from fakeforensics.reporting.contents import EMPTY, Figure, Table
from fakeforensics.reporting.robustness import robustness_blocks


def write(project, objective, score, accuracy_only=False):
    def rows(**by_corruption):
        return [
            {"score": score, "corruption": name, "by_set": by_set} for name, by_set in by_corruption.items()
        ]

    means = {"a": 0.9, "b": 0.7, "mean": 0.8, "mean_unseen": 0.7}
    worse = {"a": 0.8, "b": 0.5, "mean": 0.65, "mean_unseen": 0.5}
    found = {"accuracy": rows(clean=means, jpeg_30=worse)}
    if not accuracy_only:
        lost = {"mean": [0.15, 0.1, 0.2], "mean_unseen": [0.2, 0.1, 0.3]}
        found |= {"ap": rows(clean=means, jpeg_30=worse), "ap_lost": rows(jpeg_30=lost)}
    project.write(f"metrics/p/{objective}.robustness.json", found)


def test_means_with_what_is_lost(project):
    project.protocol(["a", "b"], unseen=["b"])
    project.metrics({"a": (0.9, 0.9, 0.9, 0.9), "b": (0.7, 0.7, 0.7, 0.7)})
    write(project, "sad", "cd")
    _, *tables, figure = robustness_blocks(project.results())
    assert len(tables) == 4  # AP and accuracy, over all sets and over the unseen ones
    assert [row.label for row in tables[0].rows] == ["clean", "JPEG, quality 30"]
    cells = [row.cells[1] for row in tables[0].rows]  # of the four columns the second is SAD's
    assert [(cell.text, cell.interval) for cell in cells] == [("80.0", ""), ("65.0", "lost 10.0 … 20.0")]
    assert tables[0].rows[0].cells[0].text == EMPTY
    assert isinstance(figure, Figure)
    assert len(figure.canvas.axes) == 2


def test_sets_of_fakes_alone_show_accuracy(project):
    project.protocol(["a", "b"])
    project.metrics({"a": (0.9, 0.9, 0.9, 0.9), "b": (0.7, 0.7, 0.7, 0.7)})
    write(project, "bce", "sl", accuracy_only=True)
    blocks = robustness_blocks(project.results())
    tables = [block for block in blocks if isinstance(block, Table)]
    assert all("accuracy" in table.caption for table in tables)
    assert len(blocks[-1].canvas.axes) == 1


def test_without_the_stage_there_is_no_section(project):
    project.protocol(["a"])
    assert robustness_blocks(project.results()) == []
