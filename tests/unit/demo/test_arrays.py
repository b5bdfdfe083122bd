from fakeforensics.demo.arrays import as_float, generator


def test_each_thing_has_its_own_stream_that_comes_back() -> None:
    first = generator(0, "celeba", 42).random(3).tolist()
    assert generator(0, "celeba", 42).random(3).tolist() == first
    for other in (generator(1, "celeba", 42), generator(0, "celeba", 43), generator(0, "ffhq", 42)):
        assert other.random(3).tolist() != first


def test_numbers_become_single_precision() -> None:
    assert as_float([0, 1]).dtype == "float32"
