from fakeforensics.reporting.columns import headings


def test_headings_carry_the_lambda_of_the_detectors_that_have_one(project):
    project.protocol(["a"])
    project.metrics({"a": (0.5, 0.6, 0.7, 0.8)})
    project.trained_with(0.1)
    results = project.results()
    assert [(one.title, one.group) for one in headings(results.columns)] == [
        ("BCE", ""),
        ("SAD", ""),
        ("S_SL", "BCE+SAD, λ = 0.1"),
        ("S_CD", "BCE+SAD, λ = 0.1"),
    ]
    assert results.columns[2].name == "BCE+SAD S_SL"
