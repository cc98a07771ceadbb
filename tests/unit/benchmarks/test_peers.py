import subprocess

import pytest
from benchmarks import peers


@pytest.fixture
def only_one(monkeypatch, tmp_path):
    """Let there be one library, whose requirements nothing can meet."""
    (tmp_path / "nosuch").mkdir()
    (tmp_path / "nosuch" / "requirements.txt").write_text("--no-index\nnosuch==1.0\n")
    monkeypatch.setattr(peers, "PEERS", (peers.Peer("nosuch"),))
    monkeypatch.setattr(peers, "_HERE", tmp_path)
    monkeypatch.setattr(peers, "_ENVIRONMENTS", tmp_path / "environments")


def fake_run(failing):
    """Return what stands for `subprocess.run`: commands with this word fail, and nothing is made."""

    def run(command, **_options):
        status = 1 if failing in command else 0
        return subprocess.CompletedProcess(command, status, stdout="", stderr="WARNING: old\nERROR: no such thing\n")

    return run


@pytest.mark.parametrize("failing", ["venv", "install"])
def test_a_library_that_cannot_be_installed_is_named_with_the_last_thing_said(only_one, monkeypatch, capsys, failing):
    monkeypatch.setattr(subprocess, "run", fake_run(failing))

    contestant = peers.peer_contestants()[0]

    assert contestant.name == "nosuch"
    assert contestant.missing == "it could not be installed: ERROR: no such thing"
    assert capsys.readouterr().err == "installing nosuch ...\n"


def test_what_could_not_be_installed_is_tried_again_and_what_is_installed_is_not(
    only_one, monkeypatch, capsys, tmp_path
):
    monkeypatch.setattr(subprocess, "run", fake_run("install"))
    peers.peer_contestants()
    (tmp_path / "environments").mkdir()
    (environment,) = [tmp_path / "environments" / peers.peer_contestants()[0].command[0].split("/")[-3]]
    capsys.readouterr()
    environment.mkdir()
    (environment / "complete").touch()

    contestant = peers.peer_contestants()[0]

    assert contestant.missing == ""
    assert capsys.readouterr().err == ""


def test_without_ruby_its_sidekiq_is_missing(only_one, monkeypatch):
    monkeypatch.setattr(subprocess, "run", fake_run("install"))
    monkeypatch.setenv("PATH", "")

    contestant = peers.peer_contestants()[-1]

    assert contestant.name == "sidekiq"
    assert "not installed" in contestant.missing
