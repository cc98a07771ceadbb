"""For programs that configure logging themselves: what puts the running job into their log.

`sidelong run` does without: its own handler has all of it. Nothing here is installed by a worker inside a program.
"""

from sidelong.core.logs.context import JobContextFilter, log_context
from sidelong.core.logs.json_lines import JsonFormatter
from sidelong.core.logs.levels import JobLevelFilter
from sidelong.core.logs.text import PlainFormatter, PrettyFormatter

__all__ = ["JobContextFilter", "JobLevelFilter", "JsonFormatter", "PlainFormatter", "PrettyFormatter", "log_context"]
