"""What an operator may do, whoever asks for it: a form of the pages, or a program by the JSON API.

The rule: an action itself asks for leave, stays within its limits, and leaves a line in the audit log.
"""
