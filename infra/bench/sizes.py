"""What a reading takes on disks: the growth of topics and tables while the load ran."""

from dataclasses import dataclass
from pathlib import Path

from infra.timescale.stored import StoredRows
from schemas.topics import TOPICS


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """Bytes of each topic's log (one copy, all partitions) and of each table with its indexes."""

    topics: dict[str, int]
    tables: dict[str, int]

    def since(self, before: "Sizes") -> "Sizes":
        """Return what was added, where anything was."""
        return Sizes(topics=_added(self.topics, before.topics), tables=_added(self.tables, before.tables))

    def as_json(self, readings: int) -> dict[str, dict[str, dict[str, float]]]:
        """Return bytes, and bytes for each of so many readings."""
        many = max(1, readings)
        return {
            kind: {name: {"bytes": size, "per_reading": round(size / many, 1)} for name, size in found.items()}
            for kind, found in (("topics", self.topics), ("tables", self.tables))
        }


async def measure(database_url: str, kafka_dir: Path) -> Sizes:
    """Look at the files of an embedded Kafka and ask the database."""
    topics = {
        topic.name: sum(
            segment.stat().st_size for segment in (kafka_dir / "log").glob(f"{topic.name}-*/*.log") if segment.is_file()
        )
        for topic in TOPICS
    }
    async with StoredRows(database_url) as rows:
        return Sizes(topics=topics, tables=await rows.sizes())


def _added(now: dict[str, int], before: dict[str, int]) -> dict[str, int]:
    grown = {name: size - before.get(name, 0) for name, size in now.items()}
    return {name: size for name, size in grown.items() if size > 0}
