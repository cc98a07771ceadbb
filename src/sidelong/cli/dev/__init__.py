"""`sidelong dev`: worker, pages and web app under one command, started anew when the code changes.

A supervisor, which imports none of the user's code, keeps one other process running, the host: all of that code runs
there, in one event loop. Where to begin: `command.py` starts both; `supervisor.py` and `host.py` are one each.
"""
