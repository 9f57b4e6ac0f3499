"""What made which rows, and which of them may stand beside others."""

from typing import Any

import pytest

from inference.pulsenet.evaluation import origin
from inference.pulsenet.evaluation.detectors.variants import MAIN, OTHER
from inference.pulsenet.evaluation.origin import EARLIER, FAULTS, LABELLED, PROTOCOL, carried
from inference.pulsenet.weights.loading import FOLDER, NAMES, SHIPPED, deciding
from schemas.errors import RecordingError

_RIVAL = "threshold at rest"
_ROW: dict[str, Any] = {"scenarios": {}, "rules": {}}


def _now() -> dict[str, Any]:
    return {"seed": 1, "quick": False, "wearers": {"one": {}}, "given": "g", "model": MAIN.name}


def _report(**more: Any) -> dict[str, Any]:
    rows = {MAIN.name: _ROW, _RIVAL: _ROW}
    return _now() | {"protocol": PROTOCOL, "weights": deciding(FOLDER)[:12], "detectors": rows} | more


def _made(commit: str | None, digest: str | None) -> dict[str, Any]:
    return {"protocol": PROTOCOL, "commit": commit, "weights": {SHIPPED: digest}}


def test_a_row_tells_of_the_weights_that_it_reads_alone() -> None:
    """The model of its own kind, the faults of both, a rival of none; each kind has a digest of its own."""
    assert origin.kinds_of(MAIN.name) == (SHIPPED,)
    assert set(origin.kinds_of(FAULTS)) == {SHIPPED, OTHER}
    assert origin.kinds_of(LABELLED) == (SHIPPED,)
    assert origin.kinds_of(_RIVAL) == ()
    told = origin.origin(FAULTS, FOLDER, "abc1234")
    assert told["commit"] == "abc1234"
    assert len(set(told["weights"].values()) | {deciding(FOLDER)[:12]}) == 3


def test_rows_of_other_weights_are_left_out_and_those_of_none_stay() -> None:
    """Of a row that tells: by the digest of the kind it reads; what is left out is named unless somebody gives it."""
    own = deciding(FOLDER, kinds=(SHIPPED,))[:12]
    rows = {MAIN.name: {**_ROW, "made": _made("abc1234", own)}, "level off": {**_ROW, "made": _made("abc", "other")},
            _RIVAL: {**_ROW, "made": {"protocol": PROTOCOL, "commit": "abc", "weights": {}}}}  # fmt: skip
    before = carried(_report(detectors=rows, weights="of before"), _now(), FOLDER)
    assert before.rows == {MAIN.name: rows[MAIN.name], _RIVAL: rows[_RIVAL]}
    assert before.left == ("level off",)
    assert origin.left_out([before], [MAIN.name]) == ["level off"]
    assert origin.left_out([before], ["level off"]) == []


def test_an_older_report_tells_of_its_weights_for_all_its_rows() -> None:
    """They stay where those are the same, with no commit; where they are others, or of an earlier run, that is told."""
    older = _report(protocol=2, labelled={})
    same = carried(older, _now(), FOLDER)
    own = deciding(FOLDER, kinds=(SHIPPED,))[:12]
    assert same.rows[MAIN.name]["made"] == {"protocol": 2, "commit": None, "weights": {SHIPPED: own}}
    assert same.rows[_RIVAL]["made"]["weights"] == {}
    assert same.made[LABELLED]["weights"] == {SHIPPED: own}
    others = carried(older | {"weights": "others"}, _now(), FOLDER)
    assert list(others.rows) == [_RIVAL]
    assert others.left == (MAIN.name, LABELLED)
    assert others.parts == {}
    again = carried(older | {"carried": {"rows": [MAIN.name], "why": "made before"}}, _now(), FOLDER)
    assert again.rows[MAIN.name]["made"]["weights"] == {SHIPPED: None}
    assert again.made[LABELLED]["weights"] == {SHIPPED: None}
    third = _report(detectors=again.rows, made=again.made, labelled={})
    assert carried(third, _now(), FOLDER).rows == again.rows, "and once more, as it is told"


def test_what_comes_with_the_earlier_network_s_row_stays_with_it() -> None:
    """Its cases are a part of the report like any other."""
    before = carried(_report(earlier={"at rest": {}}), _now(), FOLDER)
    assert before.parts == {EARLIER: {"at rest": {}}}
    assert before.made[EARLIER]["weights"] == {}


@pytest.mark.parametrize(
    ("key", "other"),
    [("seed", 2), ("quick", True), ("wearers", {}), ("given", "h"), ("protocol", 1), ("model", NAMES[OTHER])],
)
def test_a_report_of_another_study_is_refused_by_what_differs(key: str, other: object) -> None:
    """It is named with the next step."""
    with pytest.raises(RecordingError, match=rf"differs in '{key}': .* without --add-to"):
        carried(_report(**{key: other}), _now(), FOLDER)


def test_rows_of_other_code_than_the_model_s_own_are_known() -> None:
    """Where the model's row tells no commit nothing can be said; a rival reads no code of the model."""
    own = deciding(FOLDER, kinds=(SHIPPED,))[:12]
    rows = {MAIN.name: {**_ROW, "made": _made("new", own)}, "level off": {**_ROW, "made": _made("old", own)},
            "spread off": {"absent": "why"}, _RIVAL: {**_ROW, "made": {"commit": "old", "weights": {}}}}  # fmt: skip
    made = {LABELLED: _made("old", own), FAULTS: _made("new", own)}
    told = _report(detectors=rows, made=made, labelled={}, faults={})
    assert origin.by_other_code(told) == ["level off", LABELLED]
    assert origin.by_other_code(_report()) == []
