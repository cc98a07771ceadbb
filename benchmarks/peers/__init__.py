"""Other libraries, each in an environment of its own: what there is, and how it comes to be.

Each has a directory here: `requirements.txt` and `peer.py`, which is started as `peer.py WORKLOAD SETTINGS` and prints
its measures as JSON, or declines. It fills Redis itself, in its own format, before the clock runs.
"""

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from benchmarks.contestants import CHECKOUT, Contestant

_HERE = Path(__file__).parent
_ENVIRONMENTS = CHECKOUT / "build" / "peers"


@dataclass(frozen=True)
class Peer:
    """Another library.

    Attributes:
        name: of its directory here.
        share: which part of the jobs it gets, so that slow ones end as well.
        package: what its index calls it, if not by its name.
        is_async: whether its jobs run on an event loop.
    """

    name: str
    share: float = 1.0
    package: str = ""
    is_async: bool = False


PEERS = (
    Peer("arq", is_async=True),
    Peer("saq", is_async=True),
    Peer("taskiq", is_async=True),
    Peer("streaq", is_async=True),
    Peer("docket", package="pydocket", is_async=True),
    Peer("dramatiq"),
    Peer("celery", share=0.3),
    Peer("rq", share=0.1),
    Peer("huey"),
)
RUBY = Peer("sidekiq", share=3.0)


def peer_contestants() -> list[Contestant]:
    """Return all other libraries; what is not installed yet is installed now, and named if that fails."""
    return [_python(peer) for peer in PEERS] + [_ruby()]


def versions(names: Collection[str]) -> dict[str, str]:
    """Return the versions of those other libraries that are among the names."""
    found = {peer.name: _pinned_version(peer) for peer in PEERS if peer.name in names}
    if RUBY.name in names and shutil.which("ruby"):
        words = ["ruby", "-rsidekiq", "-e", 'print "#{Sidekiq::VERSION} on Ruby #{RUBY_VERSION}"']
        found[RUBY.name] = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
    return {name: version for name, version in found.items() if version}


def _pinned_version(peer: Peer) -> str:
    pins = (_HERE / peer.name / "requirements.txt").read_text().splitlines()
    return next((pin.partition("==")[2] for pin in pins if pin.startswith(f"{peer.package or peer.name}==")), "")


def _python(peer: Peer) -> Contestant:
    requirements = _HERE / peer.name / "requirements.txt"
    digest = hashlib.sha256(requirements.read_bytes() + sys.version.encode()).hexdigest()[:12]
    environment = _ENVIRONMENTS / f"{peer.name}-{digest}"
    missing = "" if (environment / "complete").exists() else _install(requirements, environment)
    return _contestant(peer, str(environment / "bin" / "python"), "peer.py", missing)


def _ruby() -> Contestant:
    probe = ["ruby", "-e", "require 'sidekiq'"]
    has_sidekiq = shutil.which("ruby") and subprocess.run(probe, stderr=subprocess.DEVNULL).returncode == 0
    missing = "" if has_sidekiq else "Ruby and its sidekiq are not installed (Debian: ruby-sidekiq)"
    return _contestant(RUBY, "ruby", "peer.rb", missing)


def _contestant(peer: Peer, interpreter: str, program: str, missing: str) -> Contestant:
    return Contestant(
        peer.name, (interpreter, str(_HERE / peer.name / program)), is_peer=True, share=peer.share, missing=missing
    )


def _install(requirements: Path, environment: Path) -> str:
    """Make a virtual environment and return what went wrong, if anything did."""
    print(f"installing {requirements.parent.name} ...", file=sys.stderr, flush=True)
    pip = [str(environment / "bin" / "python"), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    for command in ([sys.executable, "-m", "venv", "--clear", str(environment)], [*pip, "-r", str(requirements)]):
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            return f"it could not be installed: {(done.stderr.strip().splitlines() or ['no reason given'])[-1]}"
    (environment / "complete").touch()
    return ""
