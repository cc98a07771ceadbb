import pytest

from tests.docs import configurations
from tests.docs.pages import CHECKOUT, PAGES, read_blocks, read_commands, read_links
from tests.docs.reader import Reader
from tests.support.redis_server import free_port

README = CHECKOUT / "README.md"
_PROSE = {"", "text", "html"}
_RUN = {"python", "sh", "bash", "shell", "console", "ruby"}


@pytest.fixture
def reader(tmp_path, redis_server):
    return Reader(tmp_path, redis_server, free_port())


def test_the_readme_does_what_it_says(reader):
    reader.follow(README)

    assert "The ledger is right" in reader.output
    assert "Welcome, Ada!" in reader.output
    assert "Welcome, Grace!" in reader.output


@pytest.mark.parametrize(
    "page", [page for page in PAGES if page != README], ids=lambda page: str(page.relative_to(CHECKOUT / "docs"))
)
def test_every_snippet_and_command_of_the_docs_runs(page, reader):
    reader.follow(page)


@pytest.mark.parametrize(
    ("page", "block"),
    [
        pytest.param(page, block, id=f"{page.relative_to(CHECKOUT)}-{block.title or block.language}")
        for page in PAGES
        for block in read_blocks(page)
        if block.language in configurations.LANGUAGES
    ],
)
def test_every_configuration_can_be_read_by_its_program(page, block, tmp_path):
    configurations.check(block, tmp_path)


def test_every_block_is_in_a_language_that_is_run_or_checked():
    languages = {block.language for page in PAGES for block in read_blocks(page)}

    assert languages <= _RUN | _PROSE | configurations.LANGUAGES


def test_output_that_a_page_shows_and_nothing_prints_is_found(reader, tmp_path):
    page = tmp_path / "page.md"
    page.write_text('```python\nprint("one")\n```\n\n```text title="Output"\none\ntwo\n```\n')

    with pytest.raises(AssertionError, match="shows 'two'"):
        reader.follow(page)


def test_the_readme_has_one_command_for_the_demo_and_one_for_the_suite():
    commands = [
        command
        for block in read_blocks(README)
        if block.language == "sh"
        for command in read_commands(block)
        if command.startswith("python3 -m venv ")
    ]

    assert [command.rpartition("/")[2] for command in commands] == ["sidelong demo", "python -m pytest"]


def test_the_comparison_says_the_same_in_the_readme_and_on_its_page():
    table = [line for line in README.read_text().splitlines() if line.startswith("|")]

    assert "\n".join(table) in (CHECKOUT / "docs/comparison.md").read_text()


def test_every_link_to_a_file_leads_somewhere():
    for page in PAGES:
        for target in read_links(page):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
