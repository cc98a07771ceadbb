import pytest

from tests.docs import configurations
from tests.docs.pages import Block

CONFIGURATIONS = {
    "Dockerfile": "dockerfile",
    "compose.yaml": "yaml",
    "deploy/book-shop-worker@.service": "ini",
    "pyproject.toml": "toml",
    "sidelong.toml": "toml",
}


def test_what_is_made_is_printed_and_holds_no_placeholder(command, tmp_path):
    done = command("new", "project", "book-shop")

    made = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert (done.exit_code, done.stderr) == (0, "")
    assert {line.removeprefix("created ") for line in done.stdout.splitlines()} == made
    assert {"book-shop/.gitignore", "book-shop/book_shop/jobs/welcome.py", "book-shop/tests/conftest.py"} <= made
    assert {f"book-shop/{name}" for name in CONFIGURATIONS} <= made
    for name in made:
        text = (tmp_path / name).read_text()
        assert "$name" not in text
        assert "$package" not in text


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_each_configuration_can_be_read_by_its_program(command, tmp_path, name):
    command("new", "project", "book-shop")

    text = (tmp_path / "book-shop" / name).read_text()

    configurations.check(Block(CONFIGURATIONS[name], name, text), tmp_path)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("Shop", "'Shop' cannot be the name of a project: use small letters, digits and dashes"),
        ("../shop", "'../shop' cannot be the name of a project"),
        ("7shop", "'7shop' cannot be the name of a project"),
        ("class", "'class' cannot be the name of a module"),
        ("email", "there is a module 'email' already, which it would hide: choose another name"),
        ("fastapi", "there is a module 'fastapi' already"),
        ("build", "'build' cannot be the name of a project: git ignores such a directory"),
        ("sidelong", "there is a module 'sidelong' already"),
        ("tests", "there is a module 'tests' already"),
    ],
)
def test_a_name_that_will_not_do_is_refused(command, tmp_path, name, sentence):
    done = command("new", "project", name)

    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith(f"sidelong: {sentence}")
    assert list(tmp_path.iterdir()) == []


def test_a_directory_that_is_there_is_left_alone(command, project, tmp_path):
    project("bookshop/notes.txt", "mine\n")

    done = command("new", "project", "bookshop")

    assert (done.exit_code, done.stderr) == (2, "sidelong: bookshop is there already, and nothing was made\n")
    assert [path.name for path in (tmp_path / "bookshop").iterdir()] == ["notes.txt"]
