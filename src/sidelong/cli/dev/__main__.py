"""The host, as the supervisor starts it: `python -m sidelong.cli.dev DESCRIPTOR`."""

import sys

from sidelong.cli.dev.host import run_host
from sidelong.cli.dev.host_link import HostLink

if __name__ == "__main__":
    sys.exit(run_host(HostLink(int(sys.argv[1]))))
