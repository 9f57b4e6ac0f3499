"""The table of channels."""

import pytest

from inference.pulsenet.channels import CHANNELS, MINUTES, adjoining, of_scale


def test_channels_that_follow_one_another_are_columns() -> None:
    """The channels of minutes stand first and side by side, so that one slice has them all."""
    codes = of_scale(*MINUTES)
    columns = adjoining(codes)
    assert [CHANNELS[code].scale in MINUTES for code in range(len(CHANNELS))[columns]] == [True] * len(codes)


def test_channels_with_others_between_them_are_refused() -> None:
    """The channels of an hour have those of a night between them and the joint one, and are no slice."""
    with pytest.raises(ValueError, match="follow one another"):
        adjoining([4, 5, 11])
