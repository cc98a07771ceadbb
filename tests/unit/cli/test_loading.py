import subprocess
import sys

import pytest

from sidelong import JobDefinitionError, Sidelong
from sidelong.cli.loading import FailedImportError, TargetError, is_target, load_app, load_job, load_web_app
from sidelong.errors import SettingSourceError

APP = 'from sidelong import Sidelong\n\napp = Sidelong("redis://localhost:1/0")\n'


@pytest.mark.parametrize(
    "target", ["orders_app:app", "orders_app", "orders_app.py:app", "orders_app.py", "./orders_app.py"]
)
def test_an_app_is_found_by_module_or_file_with_or_without_its_name(project, target):
    project("orders_app.py", APP)

    assert isinstance(load_app(target), Sidelong)


def test_the_same_app_under_two_names_is_still_the_only_one(project):
    project("twice_named.py", APP + "celery = app\n")

    assert isinstance(load_app("twice_named"), Sidelong)


def test_a_dotted_attribute_leads_to_an_app(project):
    project("nested_app.py", APP + "class Jobs:\n    inner = app\n")

    assert isinstance(load_app("nested_app:Jobs.inner"), Sidelong)


def test_a_file_sees_its_neighbours_wherever_the_command_runs(project):
    project("there/neighbour_module.py", APP)
    project("there/main_module.py", "from neighbour_module import app\n")

    assert isinstance(load_app("there/main_module.py"), Sidelong)


def test_a_file_inside_a_package_is_imported_under_the_name_that_others_use(project):
    project("bookshop/__init__.py", "")
    project("bookshop/base.py", APP)
    project("bookshop/jobs.py", "from .base import app\n\n@app.job\nasync def pack(): ...\n")

    app = load_app("bookshop/jobs.py")

    assert "bookshop.jobs.pack" in app.registry
    assert load_app("bookshop.jobs:app") is app


def test_a_job_has_one_name_whether_its_file_is_run_or_loaded(project):
    file = project(
        "greetings_app.py",
        APP + "@app.job\nasync def greet(): ...\n\nif __name__ == '__main__':\n    print(greet.name)\n",
    )
    pushed = subprocess.run([sys.executable, file], capture_output=True, text=True, check=True).stdout.strip()

    assert pushed in load_app("greetings_app.py").registry


@pytest.mark.parametrize(
    ("target", "sentence"),
    [
        ("no_such_module:app", "There is no module 'no_such_module' in"),
        ("no_such_module.jobs:app", "There is no module 'no_such_module' in"),
        ("json.nothing:app", "There is no module 'json.nothing' in"),
        ("no_such_file.py", "There is no file 'no_such_file.py' in"),
        (":app", "':app' names no module"),
        ("some/where:app", "'some/where' is not a module name; a file is named as in path.py:attr."),
        ("json:app", "'json' has no 'app'."),
        ("json:dumps", "json:dumps is not a Sidelong app but a function."),
        ("json", "'json' holds no Sidelong app; a line like `app = Sidelong()` makes one."),
    ],
)
def test_a_wrong_target_is_told_in_one_sentence(project, target, sentence):
    with pytest.raises(TargetError) as caught:
        load_app(target)

    assert str(caught.value).startswith(sentence)
    assert not isinstance(caught.value, FailedImportError)


def test_a_wrong_attribute_names_the_apps_that_are_there(project):
    project("misspelt_app.py", APP)

    with pytest.raises(TargetError, match=r"^'misspelt_app' has no 'ap'; its Sidelong apps: app\.$"):
        load_app("misspelt_app:ap")


def test_several_apps_have_to_be_told_apart(project):
    project("two_apps.py", APP + 'other = Sidelong("redis://localhost:1/1")\n')

    with pytest.raises(TargetError, match=r"write two_apps\.py:app or two_apps\.py:other"):
        load_app("two_apps.py")


def test_an_error_in_the_users_code_shows_the_users_traceback_only(project):
    project("failing_app.py", "def fail():\n    raise LookupError('no settings')\n\nfail()\n")

    for target in ("failing_app", "failing_app.py"):
        with pytest.raises(FailedImportError) as caught:
            load_app(target)

        lines = caught.value.traceback.splitlines()
        assert "failing_app.py" in lines[1]
        assert lines[-1] == "LookupError: no settings"
        assert "cannot be imported: LookupError" in str(caught.value)


def test_a_syntax_error_shows_its_line(project):
    project("broken_app.py", "app = = 1\n")

    with pytest.raises(FailedImportError) as caught:
        load_app("broken_app.py")

    assert "app = = 1" in caught.value.traceback
    assert "cannot be imported: SyntaxError" in str(caught.value)


def test_an_import_missing_inside_the_users_module_is_not_a_wrong_target(project):
    project("needy_app.py", "import no_such_library\n")

    with pytest.raises(FailedImportError) as caught:
        load_app("needy_app:app")

    assert "import no_such_library" in caught.value.traceback
    assert "cannot be imported: ModuleNotFoundError" in str(caught.value)


def test_a_module_that_exits_while_it_is_imported_is_named(project):
    project("exiting_app.py", "raise SystemExit(3)\n")

    with pytest.raises(TargetError, match=r"'exiting_app' ended the process .*SystemExit: 3"):
        load_app("exiting_app")


def test_a_file_that_hides_behind_another_module_is_refused(project):
    project("json.py", APP)

    with pytest.raises(TargetError, match=r"'json\.py' cannot be imported.*rename it"):
        load_app("json.py")


def test_a_failed_import_leaves_no_half_made_module_behind(project):
    file = project("mended_app.py", "1 / 0\n")
    with pytest.raises(TargetError):
        load_app("mended_app.py")

    file.write_text(APP)

    assert isinstance(load_app("mended_app.py"), Sidelong)


def test_a_wrong_setting_outside_the_code_is_no_fault_of_the_users_code(project, monkeypatch):
    project("wrong_settings_app.py", "from sidelong import Sidelong\n\napp = Sidelong()\n")
    monkeypatch.setenv("SIDELONG_CONCURRENCY", "many")

    for target in ("wrong_settings_app", "wrong_settings_app.py"):
        with pytest.raises(SettingSourceError, match=r"^SIDELONG_CONCURRENCY: "):
            load_app(target)


JOBS = (
    APP
    + """
from sidelong import JobClass

@app.job
async def greet(name: str): ...

loud = greet.with_options(queue="loud")

@app.job
class Pack(JobClass):
    async def perform(self, order: int): ...

class Unregistered(JobClass):
    async def perform(self): ...
"""
)


@pytest.mark.parametrize(
    ("attribute", "name", "queue"),
    [("greet", "job_app.greet", "default"), ("loud", "job_app.greet", "loud"), ("Pack", "job_app.Pack", "default")],
)
def test_a_job_is_found_with_the_app_it_belongs_to(project, attribute, name, queue):
    project("job_app.py", JOBS)

    app, job = load_job(f"job_app:{attribute}")

    assert app is load_app("job_app")
    assert (job.name, job.options.queue) == (name, queue)


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("job_app.py", "names no job: write job_app.py:attr"),
        ("job_app:app", "is an app: name the job in it, or write --app job_app:app"),
        ("job_app:JOB", "has no 'JOB'"),
        ("job_app:JobClass.__name__", "is not a job but a str: decorate it with @app.job"),
        ("job_app:Unregistered", "Unregistered is not registered: decorate it"),
    ],
)
def test_what_is_no_job_is_told_in_one_sentence(project, target, words):
    project("job_app.py", JOBS)

    with pytest.raises((TargetError, JobDefinitionError), match=words):
        load_job(target)


def test_a_job_of_another_app_is_refused(project):
    project("job_app.py", JOBS)

    with pytest.raises(TargetError, match="The app that 'job_app:greet' belongs to is not to be found"):
        load_job("job_app:greet", Sidelong("redis://nowhere"))


def test_a_job_whose_name_two_apps_use_is_found_with_its_own(project):
    project("first_app.py", APP + '@app.job(name="Send")\nasync def send(): ...\n')
    project("second_app.py", "import first_app\n" + APP + '@app.job(name="Send")\nasync def send(): ...\n')

    app, _ = load_job("second_app:send")

    assert app is load_app("second_app")


def test_what_else_is_loaded_is_left_alone(project, monkeypatch):
    lazy = "class Lazy:\n    __class__ = property(lambda self: 1 / 0)\n\nlazy = Lazy()\n"
    project("lazy_app.py", lazy + JOBS)
    monkeypatch.setitem(sys.modules, "blocked", None)

    app, _ = load_job("lazy_app:greet")

    assert app is load_app("lazy_app")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("shop.jobs:greet", True),
        ("shop/jobs.py:greet", True),
        ("shop.py", True),
        ("shop.jobs.greet", False),
        ("HardJob", False),
        ("Mailers::Welcome", False),
    ],
)
def test_a_wire_name_is_told_from_a_target(text, expected):
    assert is_target(text) is expected


WEB = """
from orders import app

async def api(scope, receive, send): ...

def make():
    return api

def fail():
    raise RuntimeError("no database")

number = 7
"""


@pytest.fixture
def web(project):
    """A web app beside the app whose jobs it enqueues."""
    project("orders.py", APP)
    project("orders_web.py", WEB)


@pytest.mark.parametrize("target", ["orders_web:api", "orders_web.py:api"])
def test_a_web_app_is_found_and_shares_the_app_of_the_worker(web, target):
    app = load_app("orders.py")

    application = load_web_app(target, is_factory=False)

    assert application is sys.modules["orders_web"].api
    assert sys.modules["orders_web"].app is app


def test_a_web_app_may_be_made_by_a_function(web):
    assert load_web_app("orders_web:make", is_factory=True) is sys.modules["orders_web"].api


@pytest.mark.parametrize(
    ("target", "sentence"),
    [
        ("orders_web", "'orders_web' names no web app: write orders_web:attr."),
        ("orders_web:app", "'orders_web:app' is a Sidelong app: the web app that enqueues is meant here."),
        ("orders_web:number", "'orders_web:number' cannot be called, as a web app is: it is of the type int."),
        ("orders_web:apj", "'orders_web' has no 'apj'."),
        ("no_such_module:api", "There is no module 'no_such_module' in "),
    ],
)
def test_what_is_no_web_app_is_told_in_one_sentence(web, target, sentence):
    with pytest.raises(TargetError) as caught:
        load_web_app(target, is_factory=False)

    assert str(caught.value).startswith(sentence)
    assert not isinstance(caught.value, FailedImportError)


@pytest.mark.parametrize(
    ("attribute", "summary"),
    [
        ("fail", "'orders_web:fail()' cannot be imported: RuntimeError"),
        ("number", "'orders_web:number' is no function, as --factory says."),
    ],
)
def test_a_function_that_makes_no_web_app_is_told(web, attribute, summary):
    with pytest.raises(TargetError) as caught:
        load_web_app(f"orders_web:{attribute}", is_factory=True)

    assert str(caught.value).startswith(summary)
