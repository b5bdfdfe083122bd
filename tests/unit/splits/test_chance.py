from hypothesis import given
from hypothesis import strategies as st

from fakeforensics.splits.chance import deal, ranks

names = st.lists(st.text(max_size=8), max_size=60)
SHARES = {"test": 0.25, "val": 0.15, "train": 1.0}


def test_ranks_depend_on_the_name_and_the_seed_alone() -> None:
    # The first 16 digits of `printf "7|a" | sha256sum`; a change would cut everybody's data anew.
    assert ranks(["b", "a"], 7)[1] == 0x8E3216A8B81A0ADC
    assert ranks(["a"], 7).tolist() != ranks(["a"], 8).tolist()


@given(names, st.integers(0, 5))
def test_every_unit_is_dealt_once_whatever_the_order(units: list[str], seed: int) -> None:
    dealt = deal(units, SHARES, seed)
    assert set(dealt) == set(units)
    assert dealt == deal(list(reversed(units)), SHARES, seed)


def test_shares_are_kept_to_the_unit() -> None:
    dealt = list(deal(map(str, range(100)), SHARES, 0).values())
    # 100 units: 25 test, 15 validation, the remaining 60 train.
    assert [dealt.count(part) for part in ("test", "val", "train")] == [25, 15, 60]


def test_few_units_go_to_training_first_then_validation_then_test() -> None:
    for count, parts in ((1, {"train"}), (2, {"train", "val"}), (3, {"train", "val", "test"})):
        assert set(deal(map(str, range(count)), SHARES, 0).values()) == parts
