"""Backbones by name: a user's own file first, then a published one, else a clear message."""

import pytest

from aia.config import FetchConfig, build_section, read_yaml
from aia.errors import InputError
from aia.weights.published import PUBLISHED, backbone_file
from tests.conftest import REPOSITORY
from tests.serving import Served, serving

CONFIG = build_section(FetchConfig, read_yaml(REPOSITORY / "config.yaml")["fetch"], "fetch")


def test_published_backbones_are_ones_that_the_settings_know() -> None:
    assert set(PUBLISHED) <= set(read_yaml(REPOSITORY / "config.yaml")["backbones"])


def test_an_own_file_is_taken_before_a_published_one(tmp_path) -> None:
    own = tmp_path / "i3d_r50_8x8.pyth"
    own.write_bytes(b"weights")
    assert backbone_file("i3d_r50_8x8", tmp_path, config=CONFIG, address="http://no.where") == own


def test_a_published_one_is_fetched_once(tmp_path) -> None:
    with serving() as server:
        server.files["/I3D_8x8_R50.pkl"] = Served(b"\x80\x02}q\x00." * 100)
        for _ in range(2):
            found = backbone_file("i3d_r50_8x8", tmp_path, config=CONFIG, address=server.address)
        assert found.read_bytes() == server.files["/I3D_8x8_R50.pkl"].content
        assert server.asked("/I3D_8x8_R50.pkl").count(None) == 1  # then its length alone is asked


def test_what_has_to_be_brought_along_is_asked_for(tmp_path) -> None:
    with pytest.raises(InputError, match=r"slowfast_r101_8x8.pth: is missing.*init: scratch"):
        backbone_file("slowfast_r101_8x8", tmp_path, config=CONFIG)
    assert not list(tmp_path.iterdir())
