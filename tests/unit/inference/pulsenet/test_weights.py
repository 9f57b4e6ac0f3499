"""What ships beside one another: weights, thresholds, card and evaluation of one making."""

import json

import pytest

from inference.pulsenet.training.card import evaluation
from inference.pulsenet.weights.loading import CARD, EVALUATION, FOLDER, NAMES, digest, manifest, weights_files


@pytest.mark.parametrize("name", [*weights_files(), CARD, EVALUATION])
def test_every_file_that_ships_is_the_one_of_the_manifest(name: str) -> None:
    """Its digest stands there."""
    assert digest(FOLDER / name) == manifest()["files"][name]


def test_the_evaluation_is_of_the_weights_and_thresholds_that_ship() -> None:
    """It names their digests and both models, and holds figures on made people alone."""
    told = json.loads((FOLDER / EVALUATION).read_text())
    assert told["files"] == {name: manifest()["files"][name] for name in weights_files()}
    assert set(told["models"]) == set(manifest()["names"].values()) == set(NAMES.values())
    assert told["data"] == "simulated"


def test_the_card_tells_what_the_evaluation_found() -> None:
    """Its part on made people is what that file gives, and both models are named in its title."""
    card = (FOLDER / CARD).read_text()
    assert evaluation(json.loads((FOLDER / EVALUATION).read_text())) in card
    assert card.startswith(f"# {NAMES['network']} and {NAMES['ridge']}\n")
