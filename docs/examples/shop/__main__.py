"""`python -m shop`: the services, the web process and a worker, until one ends or Ctrl-C is pressed."""

import signal
import subprocess
import sys
import time

from shop import settings

COMMANDS = {
    "services": [sys.executable, "-m", "shop.services"],
    "web": [sys.executable, "-m", "uvicorn", "shop.web:api", f"--port={settings.PORT}", "--log-level=warning"],
    "worker": [sys.executable, "-m", "sidelong", "run", "shop.worker:app"],
}


def main() -> int:
    """Run all processes; return the exit status."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    # In groups of their own, so that a Ctrl-C reaches them once, through us.
    running = {name: subprocess.Popen(command, process_group=0) for name, command in COMMANDS.items()}
    print(f"The shop is open: {settings.SHOP_URL} (Ctrl-C ends it)", flush=True)
    try:
        while True:
            for name, process in running.items():
                if process.poll() is not None:
                    print(f"The process {name!r} has ended with status {process.returncode}.", file=sys.stderr)
                    return 1
            time.sleep(0.2)
    except KeyboardInterrupt:
        return 0
    finally:
        for process in running.values():
            process.terminate()
        for process in running.values():
            process.wait()


if __name__ == "__main__":
    sys.exit(main())
