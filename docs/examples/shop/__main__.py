"""`python -m shop`: the services, the web process and a worker, until one ends or Ctrl-C is pressed."""

import signal
import socket
import sys
import time
from subprocess import Popen

from shop import settings

WORKER = ("sidelong", "run", "shop.worker:app")


def main() -> int:
    """Run all processes; return the exit status."""
    for port in (settings.SERVICES_PORT, settings.PORT):
        if is_open(port):
            print(f"Port {port} is in use: set SHOP_PORT to one that is free, like the one after it.", file=sys.stderr)
            return 1
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    running: list[Popen[bytes]] = []
    try:
        running.append(start("shop.services"))
        wait_until_open(settings.SERVICES_PORT, running[0])
        running.append(start("uvicorn", "shop.web:api", f"--port={settings.PORT}", "--log-level=warning"))
        running.append(start(*WORKER))
        wait_until_open(settings.PORT, running[1])
        print(f"The shop is open: {settings.SHOP_URL} (Ctrl-C ends it)", flush=True)
        while all(process.poll() is None for process in running):
            time.sleep(0.2)
            if (status := running[2].poll()) is not None and status < 0:
                print("The worker was killed: here is another one.", flush=True)
                running[2] = start(*WORKER)
        print("One of the processes has ended, so the shop closes.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0
    finally:
        stop(running)


def start(*command: str) -> "Popen[bytes]":
    """Start a process, in a group of its own: so a Ctrl-C reaches it once, through us."""
    return Popen([sys.executable, "-m", *command], process_group=0)


def wait_until_open(port: int, process: "Popen[bytes]") -> None:
    """Wait until somebody listens on a port, or the process that should has ended."""
    while process.poll() is None and not is_open(port):
        time.sleep(0.05)


def is_open(port: int) -> bool:
    """Tell whether somebody listens on a port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def stop(running: "list[Popen[bytes]]") -> None:
    """Stop all processes in order: the worker has time to finish its jobs."""
    for process in running:
        process.terminate()
    for process in running:
        try:
            process.wait()
        except KeyboardInterrupt:
            # Whoever presses Ctrl-C twice does not want to wait; the worker then hands its jobs back.
            process.terminate()
            process.wait()


if __name__ == "__main__":
    sys.exit(main())
