"""The pages on which an operator sees and steers jobs: an ASGI application to mount anywhere (extra `web`)."""

from sidelong.web.api.endpoint import endpoint
from sidelong.web.application import dashboard
from sidelong.web.extension import Extension
from sidelong.web.job_rows import JobRow
from sidelong.web.routes import Route
from sidelong.web.security.credentials import BasicAuth
from sidelong.web.visit import Visit

__all__ = ["BasicAuth", "Extension", "JobRow", "Route", "Visit", "dashboard", "endpoint"]
