"""Finding outside programs."""

from __future__ import annotations

import re

import pytest

from autovcoder.errors import ToolMissing
from hdl_sim.tools import find_tool, tool_version


def test_found_tool_has_a_path_and_a_version() -> None:
    assert find_tool("iverilog").is_file()
    assert re.match(r"1[1-9]\.\d", tool_version("iverilog") or "")


def test_missing_tool_says_what_to_install() -> None:
    assert tool_version("no-such-tool") is None
    with pytest.raises(ToolMissing, match="install no-such-tool"):
        find_tool("no-such-tool")
