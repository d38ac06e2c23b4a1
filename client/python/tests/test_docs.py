"""The examples of the documents, run as they are printed."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[3]
BLOCK = re.compile(r"^```(python|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
DOCUMENTS = [
    "client/python/README.md",
    "docs/python.md",
    "docs/pulp.md",
    "docs/scipy.md",
    "docs/highspy.md",
    "docs/pyomo.md",
    "docs/linopy.md",
    "docs/cvxpy.md",
    "docs/ortools.md",
    "docs/gurobipy.md",
]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_examples_print_what_the_document_says(name):
    path = REPOSITORY / name
    if not path.exists():
        pytest.skip(f"{name} is not part of this package")
    blocks = BLOCK.findall(path.read_text())
    assert blocks
    names, written, shown = {}, "", 0
    for kind, content in blocks:
        if kind == "python":
            stream = io.StringIO()
            with contextlib.redirect_stdout(stream):
                exec(compile(content, str(path), "exec"), names)
            written = stream.getvalue()
            shown += 1
        else:
            assert [line.rstrip() for line in written.splitlines()] == [
                line.rstrip() for line in content.splitlines()
            ]
    assert shown
