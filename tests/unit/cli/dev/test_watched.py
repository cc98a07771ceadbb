from pathlib import Path

import pytest

from sidelong.cli.dev.watched import Watched, shown_path


@pytest.fixture
def project(tmp_path):
    """A project in a directory whose own name would count as foreign, were it inside one."""
    root = tmp_path / "build" / "shop"
    for directory in ("src/shop/build", "build/lib", "my-env/lib", ".venv/lib", "tests"):
        (root / directory).mkdir(parents=True)
    (root / "src/shop/build/__init__.py").touch()
    (root / "my-env/pyvenv.cfg").touch()
    return root


@pytest.mark.parametrize(
    "path",
    ["shop.py", "src/shop/jobs.py", "src/shop/build/steps.py", "tests/test_shop.py", "sidelong.toml", "pyproject.toml"],
)
def test_code_and_settings_matter(project, path):
    assert Watched([project]).concerns(project / path)


@pytest.mark.parametrize(
    "path",
    [
        ".git/index",
        ".venv/lib/uvicorn.py",
        "my-env/lib/uvicorn.py",
        "node_modules/gyp/gyp.py",
        "lib/site-packages/uvicorn.py",
        "build/lib/shop.py",
        "src/shop/__pycache__/jobs.cpython-313.pyc",
        "src/shop.egg-info/setup.py",
        ".pytest_cache/v/cache.py",
        "src/shop/.#jobs.py",
        "src/shop/.jobs.py.swp",
        "src/shop/jobs.py~",
        "README.md",
        "worker.log",
        "worker.pid",
        "data.toml",
    ],
)
def test_what_others_have_written_does_not(project, path):
    assert not Watched([project]).concerns(project / path)


def test_only_what_lies_below_the_directories_matters(project):
    watched = Watched([project / "src", project / "tests"])

    assert watched.concerns(project / "src/shop/jobs.py")
    assert watched.concerns(project / "tests/test_shop.py")
    assert not watched.concerns(project / "shop.py")
    assert not watched.concerns(project.parent / "other.py")


def test_a_directory_may_be_named_that_would_be_left_out_otherwise(project):
    assert Watched([project / ".venv/lib"]).concerns(project / ".venv/lib/uvicorn.py")


def test_the_settings_file_matters_wherever_it_is(project):
    file = project.parent / "other.toml"

    assert Watched([project / "src"], file).concerns(file)
    assert not Watched([project / "src"]).concerns(file)


def test_directories_are_told_as_they_are_called_from_here(project, monkeypatch):
    monkeypatch.chdir(project)

    assert str(Watched([Path("src"), Path("src"), project.parent])) == f"src, {project.parent}"
    assert str(Watched([Path()])) == str(project)


def test_paths_are_told_where_the_current_directory_is_gone(tmp_path, monkeypatch):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()

    assert shown_path(gone / "shop.py") == str(gone / "shop.py")
