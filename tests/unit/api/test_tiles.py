"""What a server of map pictures adds to the policy of the pages."""

from api.pages import page_policy
from api.tiles import MapTiles

TILES = MapTiles(url="https://tiles.example:8443/ground/{z}/{x}/{y}.png", attribution="The mappers")


def image_sources(tiles: MapTiles | None) -> list[str]:
    """Return where a page may take pictures from."""
    rules = dict(rule.strip().partition(" ")[::2] for rule in page_policy("care.example", tiles=tiles).split(";"))
    return rules["img-src"].split()


def test_without_a_server_pictures_come_from_here_alone() -> None:
    """The policy names no other place where the operator named none."""
    assert image_sources(None) == ["'self'", "data:", "blob:"]


def test_a_server_is_allowed_by_its_origin_alone() -> None:
    """The policy names the operator's server without path or pattern, for pictures and nothing else."""
    assert image_sources(TILES) == ["'self'", "data:", "blob:", "https://tiles.example:8443"]
    assert page_policy("care.example", tiles=TILES).count("tiles.example") == 1


def test_the_description_tells_the_address_and_to_whom_the_pictures_are_owed() -> None:
    """The page is told both, as the operator wrote them."""
    assert TILES.described() == {"url": TILES.url, "attribution": "The mappers"}
