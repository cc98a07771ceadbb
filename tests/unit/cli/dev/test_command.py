import subprocess
import sys

import pytest

WITHOUT = """
import sys
sys.modules[sys.argv.pop(1)] = None
from sidelong.cli.main import main
main()
"""


@pytest.mark.parametrize("name", ["uvicorn", "jinja2", "watchfiles"])
def test_what_is_not_installed_is_one_sentence(tmp_path, name):
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, name, "dev", "shop.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert done.returncode == 2
    assert done.stderr == f"sidelong: dev needs {name}, which is not installed: pip install 'sidelong[dev]'\n"
