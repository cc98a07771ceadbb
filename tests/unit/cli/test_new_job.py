import ast

import pytest

APP = "from sidelong import Sidelong\n\napp = Sidelong()\n"

CHARGE = '''"""The job charge."""

from shop.app import app


@app.job(queue="payments")
async def charge() -> None:
    """Say here what it does. It may run twice: the job of a worker that dies is run again."""
    raise NotImplementedError("shop.jobs.charge.charge is not written yet")
'''


@pytest.fixture
def shop(project):
    """A package with an app, and the `write` of the project."""
    project("shop/__init__.py", "")
    project("shop/app.py", APP)
    return project


@pytest.fixture
def made(tmp_path):
    """Returns what there is beside the package and its app."""

    def made():
        files = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
        return files - {"shop/__init__.py", "shop/app.py"}

    return made


def assert_refused(done, sentence, status=2):
    assert (done.exit_code, done.stdout) == (status, "")
    assert done.stderr.startswith(f"sidelong: {sentence}")
    assert done.stderr.count("\n") == 1


def test_a_job_and_its_test_are_made_and_printed(command, shop, made, tmp_path):
    done = command("new", "job", "shop/jobs/charge", "--queue", "payments")

    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout == (
        "created shop/jobs/__init__.py\ncreated shop/jobs/charge.py\ncreated tests/jobs/test_charge.py\n"
    )
    assert made() == {"shop/jobs/__init__.py", "shop/jobs/charge.py", "tests/jobs/test_charge.py"}
    assert (tmp_path / "shop/jobs/charge.py").read_text() == CHARGE
    assert "from shop.jobs.charge import charge\n" in (tmp_path / "tests/jobs/test_charge.py").read_text()


@pytest.mark.parametrize(
    ("path", "module", "test"),
    [
        ("charge", "charge", "tests/test_charge.py"),
        ("charge.py", "charge", "tests/test_charge.py"),
        ("shop/charge", "shop.charge", "tests/test_charge.py"),
        ("./shop/a/b/charge", "shop.a.b.charge", "tests/a/b/test_charge.py"),
        ("src/books/charge", "books.charge", "tests/test_charge.py"),
    ],
)
def test_the_module_is_called_as_it_will_be_imported(command, shop, tmp_path, path, module, test):
    (tmp_path / "src").mkdir()

    done = command("new", "job", path, "--app", "shop.app:app")

    assert done.exit_code == 0
    assert f"from {module} import charge" in (tmp_path / test).read_text()
    assert "@app.job\nasync def charge" in (tmp_path / f"{path.removesuffix('.py')}.py").read_text()


def test_the_nearest_app_is_taken_without_importing_it(command, shop, tmp_path):
    shop("shop/billing/__init__.py", "")
    shop("shop/billing/queue.py", "import sidelong\n1 / 0\njobs: sidelong.Sidelong = sidelong.Sidelong(\n)\n")

    command("new", "job", "shop/billing/charge")
    command("new", "job", "shop/refund")

    assert "from shop.billing.queue import jobs\n\n\n@jobs.job\n" in (tmp_path / "shop/billing/charge.py").read_text()
    assert "from shop.app import app\n" in (tmp_path / "shop/refund.py").read_text()


def test_tests_that_are_packages_stay_so(command, shop, made):
    shop("tests/__init__.py", "")

    command("new", "job", "shop/jobs/charge")

    assert "tests/jobs/__init__.py" in made()


def test_a_directory_within_a_package_is_a_part_of_it_and_becomes_a_package(command, shop, made, tmp_path):
    (tmp_path / "shop/jobs/billing").mkdir(parents=True)

    done = command("new", "job", "shop/jobs/billing/charge")

    assert done.exit_code == 0
    assert made() == {
        "shop/jobs/__init__.py",
        "shop/jobs/billing/__init__.py",
        "shop/jobs/billing/charge.py",
        "tests/jobs/billing/test_charge.py",
    }
    test = (tmp_path / "tests/jobs/billing/test_charge.py").read_text()
    assert "from shop.jobs.billing.charge import charge\n" in test


def test_a_package_that_is_there_is_used_whatever_its_name(command, shop, tmp_path):
    shop("email/__init__.py", "")

    done = command("new", "job", "email/welcome", "--app", "shop.app:app")

    assert done.exit_code == 0
    assert "from email.welcome import welcome\n" in (tmp_path / "tests/test_welcome.py").read_text()


def test_nothing_is_overwritten_unless_that_is_asked_for(command, shop, made, tmp_path):
    written = shop("tests/jobs/test_charge.py", "written by hand\n")

    done = command("new", "job", "shop/jobs/charge")

    assert_refused(done, "tests/jobs/test_charge.py is there already, and nothing was made: --force overwrites")
    assert made() == {"tests/jobs/test_charge.py"}
    assert written.read_text() == "written by hand\n"

    done = command("new", "job", "shop/jobs/charge", "--force")

    assert done.exit_code == 0
    assert "overwrote tests/jobs/test_charge.py\n" in done.stdout
    assert "written by hand" not in written.read_text()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["shop/jobs/send-mail"], "'send-mail' cannot be the name of a module"),
        (["shop/class/charge"], "'class' cannot be the name of a module"),
        (["shop.jobs.charge"], "'shop.jobs.charge' cannot be the name of a module"),
        (["/tmp/charge"], "'/tmp/charge' must be a path below the current directory"),
        (["../charge"], "'../charge' must be a path below the current directory"),
        (["shop/"], "'shop/' must be a path below the current directory"),
        (["shop/app"], "the job cannot be called 'app', as its app is called so"),
        (["shop/charge", "-q", "a b"], "'a b' is not a queue name"),
        (["shop/charge", "--app", "shop.app"], "--app must be module:attr, as in shop.app:app, not 'shop.app'"),
        (["email/welcome", "--app", "shop.app:app"], "there is a module 'email' already, which it would hide: choose"),
        (["redis", "--app", "shop.app:app"], "there is a module 'redis' already, which it would hide: choose"),
        (["shop/asyncio"], "the job cannot be called 'asyncio', as its test uses a module of this name"),
        (["charge"], "no app was found in . or above: name it, as in --app shop.app:app"),
    ],
)
def test_what_cannot_be_made_is_one_sentence_and_nothing_is_made(command, shop, made, words, sentence):
    done = command("new", "job", *words)

    assert_refused(done, sentence)
    assert made() == set()


def test_two_jobs_of_one_name_have_tests_that_pytest_can_tell_apart(command, shop, made):
    for path in ("shop/cards/charge", "shop/banks/charge"):
        assert command("new", "job", path).exit_code == 0

    assert {name for name in made() if name.startswith("tests/")} == {
        "tests/cards/test_charge.py",
        "tests/banks/test_shop_banks_charge.py",
    }


def test_two_jobs_of_one_name_have_tests_of_one_name_where_these_are_in_packages(command, shop, made):
    shop("tests/__init__.py", "")

    for path in ("shop/cards/charge", "shop/banks/charge"):
        assert command("new", "job", path).exit_code == 0

    assert {"tests/cards/test_charge.py", "tests/banks/test_charge.py"} <= made()


def test_a_job_is_not_made_from_within_its_package(command, shop, made, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path / "shop")

    done = command("new", "job", "jobs/charge")

    assert_refused(done, "this directory is itself a package: say it in the one above, with the package in the path")
    assert made() == set()


def test_of_several_apps_one_has_to_be_named(command, shop):
    shop("shop/other.py", "first = Sidelong()\nsecond = Sidelong()\n")

    done = command("new", "job", "shop/charge")

    assert_refused(
        done,
        "there are several apps in shop: write --app shop.app:app or --app shop.other:first or --app shop.other:second",
    )


def test_a_directory_that_is_a_file_is_told(command, shop):
    shop("shop/jobs", "")

    done = command("new", "job", "shop/jobs/charge", "--app", "shop.app:app")

    assert_refused(done, "shop/jobs cannot be written: ", status=1)


def test_a_project_has_templates_of_its_own(command, shop, tmp_path):
    shop(".sidelong/templates/job.py.tmpl", "# $name $module $app $app_module $queue $options $$\n")

    done = command("new", "job", "shop/charge", "-q", "payments")

    assert done.exit_code == 0
    expected = '# charge shop.charge app shop.app payments (queue="payments") $\n'
    assert (tmp_path / "shop/charge.py").read_text() == expected
    ast.parse((tmp_path / "tests/test_charge.py").read_text())


@pytest.mark.parametrize(
    ("template", "sentence"),
    [
        (
            "$klass",
            "the template .sidelong/templates/job.py.tmpl asks for $klass; there are $name, $module, $app,",
        ),
        ("$", "the template .sidelong/templates/job.py.tmpl cannot be filled in: Invalid placeholder"),
    ],
)
def test_a_template_that_cannot_be_filled_in_is_told(command, shop, template, sentence):
    shop(".sidelong/templates/job.py.tmpl", template)

    done = command("new", "job", "shop/charge")

    assert_refused(done, sentence)
