"""The notebook of the documents, run by a kernel as Jupyter runs it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

NOTEBOOK = Path(__file__).parents[3] / "docs" / "notebook.ipynb"

# In a process of its own: this one is no notebook, and jupyter_client imports ipykernel, which is
# how `progress=True` recognises one.
RUN = """
import sys

import nbformat
from nbclient import NotebookClient

notebook = nbformat.read(sys.argv[1], as_version=4)
nbformat.validate(notebook)
NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
sys.stdout.write(nbformat.writes(notebook))
"""


def cells(text: str) -> dict[str, dict]:
    """The cells with code, by id."""
    return {cell["id"]: cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"}


@pytest.fixture(scope="module")
def written() -> str:
    if not NOTEBOOK.exists():
        pytest.skip("docs/notebook.ipynb is not part of this package")
    return NOTEBOOK.read_text()


def test_the_notebook_runs(written):
    run = subprocess.run(
        [sys.executable, "-c", RUN, NOTEBOOK], capture_output=True, text=True, timeout=180
    )
    assert run.returncode == 0, run.stderr
    done = cells(run.stdout)

    def text(name: str) -> str:
        parts = []
        for output in done[name]["outputs"]:
            assert output["output_type"] != "error"
            parts += output.get("text", []) + output.get("data", {}).get("text/plain", [])
        return "".join(parts)

    assert "highs" in text("connect")
    assert "OPTIMAL 3600.0" in text("solve")
    assert "150.0" in text("duals")
    # The line of the progress is replaced in place: its last text is there.
    assert "objective" in text("progress")
    assert "bound" in text("progress")
    assert "obj:Windows" in text("sweep")
    for chart in ["chart", "curve"]:
        assert any("image/png" in output.get("data", {}) for output in done[chart]["outputs"])


def test_the_notebook_is_committed_without_outputs(written):
    """They would change with each run."""
    for cell in cells(written).values():
        assert cell["outputs"] == []
        assert cell["execution_count"] is None
