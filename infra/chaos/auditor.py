"""The auditor: compares what was acknowledged with what lies in the database, by plain SQL through `psql`.

It imports nothing of the rooms that carry the data and no adapter or driver of theirs; its only knowledge of them is
what their documentation says: table and column names, identity (wearer, stream, time), stream = device number x 256 +
source, bins of 5 s. A group of devices is held in memory at a time.
"""

import io
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv

from infra.chaos.journal import GROUPS, ROW, WATCH, file_of
from infra.chaos.made_readings import VITALS

BIN_MS: Final = 5_000
SHOWN: Final = 20
"""Identities that are named of each kind of breach."""
_TIMEOUT_S: Final = 600
_BITS: Final = np.array([1 << at for at in range(len(VITALS))], dtype=np.uint8)
_DEVICE: Final = 1 << 44
"""An identity in one integer: device x 2^44 + time in ms."""

_READINGS: Final = (
    "SELECT wearer_id::text AS wearer, stream_id, (extract(epoch FROM time) * 1000)::bigint AS time_ms, "
    "heart_rate, spo2, respiratory_rate, skin_temperature, acceleration, motion "
    "FROM readings WHERE wearer_id = ANY(:'wearers'::uuid[])"
)
_BINS: Final = (
    "SELECT wearer_id::text AS wearer, (extract(epoch FROM bin) * 1000)::bigint AS bin_ms, readings, late "
    "FROM scores WHERE wearer_id = ANY(:'wearers'::uuid[])"
)

Ints = npt.NDArray[np.int64]


class AuditError(Exception):
    """The database could not be read."""


@dataclass(frozen=True, slots=True)
class Wearer:
    """A wearer of the load and the one device: `index` is the device's place in the journal."""

    index: int
    wearer_id: str
    device_id: str


@dataclass(slots=True)
class Findings:
    """Counts of readings by identity; `shown` names the first of each kind of breach."""

    sent: int = 0
    acked: int = 0
    stored: int = 0
    lost: int = 0
    doubled: int = 0
    wrong: int = 0
    scored: int = 0
    late: int = 0
    shown: list[str] = field(default_factory=list)

    @property
    def neither(self) -> int:
        """Stored readings that are at least neither in a scored bin nor counted as late; repeats count as late too."""
        return max(0, self.stored - self.scored - self.late)

    def show(self, kind: str, words: Sequence[str]) -> None:
        """Keep the first identities of a kind."""
        already = sum(line.startswith(kind) for line in self.shown)
        self.shown += [f"{kind}: {each}" for each in words[: max(0, SHOWN - already)]]


@dataclass(frozen=True, slots=True)
class Sent:
    """One row an identity, ordered: what was acknowledged of it and what was sent at all, as masks of vitals."""

    key: Ints
    variant: Ints
    acked: npt.NDArray[np.uint8]
    sent: npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Stored:
    """One row a stored reading, ordered by key; -1 where the row is of no stream of ours. `values` (n, vitals)."""

    key: Ints
    values: npt.NDArray[np.float32]


class Database:
    """Asks PostgreSQL through its own client program, each question on a connection of its own."""

    def __init__(self, psql: Path, url: str) -> None:
        parts = urlsplit(url)
        self._psql = psql
        # Not on the command line, where every user of the computer could read the password.
        self._environment = {
            **os.environ,
            "PGHOST": parts.hostname or "",
            "PGPORT": str(parts.port or 5432),
            "PGUSER": unquote(parts.username or ""),
            "PGPASSWORD": unquote(parts.password or ""),
            "PGDATABASE": parts.path.lstrip("/"),
            "PGCONNECT_TIMEOUT": "5",
        }

    def table(self, query: str, wearers: Sequence[str] = ()) -> pa.Table:
        """Return what a SELECT finds, `:'wearers'` in it being these; raises AuditError where there is no answer."""
        command = [str(self._psql), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", "-"]
        script = f"\\set wearers '{{{','.join(wearers)}}}'\nCOPY ({query}) TO STDOUT (FORMAT csv, HEADER);".encode()
        try:
            done = subprocess.run(  # noqa: S603 - PostgreSQL's own client, the query on its standard input
                command, input=script, capture_output=True, check=False, env=self._environment, timeout=_TIMEOUT_S
            )
        except subprocess.TimeoutExpired as error:
            raise AuditError("The database did not answer the auditor.") from error
        if done.returncode != 0:
            raise AuditError(done.stderr.decode(errors="replace").strip()[:300])
        return pa.csv.read_csv(io.BytesIO(done.stdout))


def audit(
    database: Database,
    journal: Path,
    wearers: Sequence[Wearer],
    values: npt.NDArray[np.float64],
    *,
    beside: Sequence[str] = (),
) -> Findings:
    """Compare everything in the journal with everything that is stored and scored.

    `beside` are ids of wearers whose readings somebody else judges.
    """
    numbers = database.table("SELECT device_id::text AS id, device_number AS number FROM devices").to_pydict()
    number_of = dict(zip(numbers["id"], numbers["number"], strict=True))
    found = Findings()
    for group in range(GROUPS):
        members = [one for one in wearers if one.index % GROUPS == group]
        if members:
            rows = np.fromfile(file_of(journal, group), dtype=ROW)
            _audit_group(
                database, rows, members, {one.index: number_of[one.device_id] for one in members}, values, found
            )
    strangers = database.table(
        "SELECT count(*) AS n FROM readings WHERE NOT wearer_id = ANY(:'wearers'::uuid[])", [*_ids(wearers), *beside]
    )
    if nobodys := int(strangers.column("n")[0].as_py()):
        found.wrong += nobodys
        found.show("wrong", [f"{nobodys} rows of wearers who sent nothing"])
    return found


def _audit_group(
    database: Database,
    rows: npt.NDArray[np.void],
    members: Sequence[Wearer],
    number_of: Mapping[int, int],
    values: npt.NDArray[np.float64],
    found: Findings,
) -> None:
    sent = identities(rows)
    stored = _stored(database.table(_READINGS, _ids(members)), members, number_of)
    compare(sent, stored, values, found, {one.index: one.wearer_id for one in members})
    bins = database.table(_BINS, _ids(members))
    found.scored += _total(bins, "readings")
    found.late += _total(bins, "late")
    count_doubled_bins(sent, _index_of(bins, members) * _DEVICE + _ints(bins, "bin_ms"), _ints(bins, "readings"), found)


def identities(rows: npt.NDArray[np.void]) -> Sent:
    """Return one row an identity from one row a reading of a message; parts of a split reading come together."""
    key = rows["device"].astype(np.int64) * _DEVICE + rows["time_ms"]
    order = np.argsort(key, kind="stable")
    ordered = key[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]]) if len(key) else np.zeros(0, dtype=np.int64)
    mask = rows["mask"][order]
    acked = np.where(rows["acked"][order] == 1, mask, 0).astype(np.uint8)
    if not len(key):
        return Sent(ordered, ordered, acked, mask)
    return Sent(
        key=ordered[starts],
        variant=rows["variant"][order][starts].astype(np.int64),
        acked=np.bitwise_or.reduceat(acked, starts),
        sent=np.bitwise_or.reduceat(mask, starts),
    )


def compare(
    sent: Sent, stored: Stored, values: npt.NDArray[np.float64], found: Findings, names: Mapping[int, str]
) -> None:
    """Count what is missing, what is there twice, and what is there otherwise than it was sent."""
    found.sent += len(sent.key)
    found.acked += int((sent.acked > 0).sum())
    found.stored += len(stored.key)
    unique, first, count = np.unique(stored.key, return_index=True, return_counts=True)
    twice = (unique >= 0) & (count > 1)
    found.doubled += int((count[twice] - 1).sum())
    found.show("doubled", _named(unique[twice], names))
    at = np.minimum(np.searchsorted(unique, sent.key), max(len(unique) - 1, 0))
    there = unique[at] == sent.key if len(unique) else np.zeros(len(sent.key), dtype=bool)
    row = stored.values[first[at[there]]] if len(unique) else stored.values
    holds = ~np.isnan(row)
    must = (sent.acked[there, None] & _BITS) > 0
    may = (sent.sent[there, None] & _BITS) > 0
    missing = (sent.acked > 0) & ~there
    missing[np.flatnonzero(there)[(must & ~holds).any(axis=1)]] = True
    found.lost += int(missing.sum())
    found.show("lost", _named(sent.key[missing], names))
    truth = values[sent.variant[there]].astype(np.float32)
    differs = (holds & (~may | (row != truth))).any(axis=1)
    known = np.isin(unique, sent.key, assume_unique=True)
    found.wrong += int(differs.sum()) + int(count[~known].sum())
    found.show("wrong", _named(sent.key[there][differs], names))
    found.show("wrong", [f"nobody sent {each}" for each in _named(unique[~known], names)])


def count_doubled_bins(sent: Sent, bin_key: Ints, readings: Ints, found: Findings) -> None:
    """Count the readings that scored bins hold beyond what was sent into them."""
    time_ms = sent.key % _DEVICE
    expected_key, expected = np.unique(sent.key - time_ms % BIN_MS, return_counts=True)
    at = np.minimum(np.searchsorted(expected_key, bin_key), max(len(expected_key) - 1, 0))
    allowed = np.where(expected_key[at] == bin_key, expected[at], 0) if len(expected_key) else 0
    over = np.maximum(readings - allowed, 0)
    found.doubled += int(over.sum())
    found.show(
        "doubled", [f"in the bin {key % _DEVICE} of device {key // _DEVICE}" for key in bin_key[over > 0].tolist()]
    )


def _stored(table: pa.Table, members: Sequence[Wearer], number_of: Mapping[int, int]) -> Stored:
    index, stream = _index_of(table, members), _ints(table, "stream_id")
    own = np.array([number_of.get(each, -1) for each in range(max(number_of) + 1)], dtype=np.int64) * 256 + WATCH
    key = np.where(own[index] == stream, index * _DEVICE + _ints(table, "time_ms"), -1)
    columns = [table.column(name).cast(pa.float32()).to_numpy() for name in VITALS]
    return Stored(key, np.column_stack(columns).astype(np.float32))


def _index_of(table: pa.Table, members: Sequence[Wearer]) -> Ints:
    place = {one.wearer_id: one.index for one in members}
    names = table.column("wearer").cast(pa.string()).combine_chunks().dictionary_encode()
    index = np.array([place[name] for name in names.dictionary.to_pylist()], dtype=np.int64)
    return index[names.indices.to_numpy()] if len(index) else np.zeros(0, dtype=np.int64)


def _ints(table: pa.Table, column: str) -> Ints:
    found: Ints = table.column(column).cast(pa.int64()).to_numpy()
    return found


def _total(table: pa.Table, column: str) -> int:
    return int(_ints(table, column).sum())


def _ids(wearers: Sequence[Wearer]) -> list[str]:
    return [one.wearer_id for one in wearers]


def _named(keys: Ints, names: Mapping[int, str]) -> list[str]:
    """Return identities in words: wearer, device's place in the load, time in ms."""
    return [
        f"wearer {names.get(key // _DEVICE, '?')} device {key // _DEVICE} time {key % _DEVICE}"
        if key >= 0
        else "a row of a foreign stream"
        for key in keys[:SHOWN].tolist()
    ]
