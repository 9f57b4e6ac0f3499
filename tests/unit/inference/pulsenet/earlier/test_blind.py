"""What the earlier network cannot see."""

from inference.pulsenet.earlier import blind


def test_pairs_that_it_is_told_alike_get_one_score_with_any_weights() -> None:
    """Not one of the pairs is told apart by any drawn set of weights; a changed heart rate is."""
    told = blind.told(seed=1)
    assert set(told["same"].values()) == {0.0}
    assert told["changed"] > 0.01
    assert told["judged_from_the_first_minute"]
    assert told["most_of_a_trained_fault"] < told["elevated_above"]
