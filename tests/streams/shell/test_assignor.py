"""Who owns which partitions."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streams.shell.assignor import deal

ids = st.text("abcdef", min_size=1, max_size=4)


@given(st.dictionaries(ids, st.binary(max_size=2), min_size=1, max_size=9), st.integers(1, 64), st.integers(1, 4))
def test_partition_p_of_every_topic_goes_to_one_member_and_shares_are_fair(
    instances: dict[str, bytes], partitions: int, topics: int
) -> None:
    names = frozenset(f"topic-{n}" for n in range(topics))
    shares = deal({member: (instance, names) for member, instance in instances.items()}, dict.fromkeys(names, partitions))
    owners: dict[int, set[str]] = {}
    taken = []
    for member, share in shares.items():
        for topic, numbers in share:
            taken += [(topic, number) for number in numbers]
            for number in numbers:
                owners.setdefault(number, set()).add(member)
    assert sorted(taken) == sorted((name, number) for name in names for number in range(partitions))
    assert all(len(members) == 1 for members in owners.values())
    sizes = [sum(len(numbers) for _, numbers in shares[member]) for member in instances]
    assert max(sizes) - min(sizes) <= topics


def test_a_restart_under_the_same_instance_name_changes_nothing() -> None:
    names, counts = frozenset({"a", "b"}), {"a": 4, "b": 4}
    before = deal({"m1": (b"1", names), "m2": (b"2", names)}, counts)
    after = deal({"zz": (b"1", names), "m2": (b"2", names)}, counts)
    assert (after["zz"], after["m2"]) == (before["m1"], before["m2"])


def test_a_topic_that_does_not_exist_yet_is_left_out() -> None:
    assert deal({"m": (b"1", frozenset({"a", "new"}))}, {"a": 2, "new": 0}) == {"m": [("a", [0, 1])]}
