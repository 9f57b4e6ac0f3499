"""Named zones are nested or apart: of two, one holds the other whole, or they share no cell (a laminar family).

Of zones that cross, the classes of coverage together can tell that 1 to 10 wearers are in a few cells; of zones that
do not, they never can (docs/adr/0024).
"""

from collections.abc import Iterable

from api.records import Zone


def crossing(zones: Iterable[Zone]) -> list[tuple[str, str]]:
    """Return pairs of zones that cross, by their ids: each zone that crosses a larger one, with one of those.

    From the largest on, each cell is held by the smallest zone so far that has it: a zone crosses none of those before
    if and only if all its cells are held by the same one, or all by none.
    """
    holder: dict[int, str] = {}
    found: list[tuple[str, str]] = []
    for zone in sorted(zones, key=lambda one: (-len(one.cells), one.zone_id)):
        holders = {holder.get(cell) for cell in zone.cells}
        if len(holders) > 1:
            found.append((zone.zone_id, min(other for other in holders if other is not None)))
            continue  # It holds nothing: what lies within it is judged by those that do not cross.
        holder.update(dict.fromkeys(zone.cells, zone.zone_id))
    return found
