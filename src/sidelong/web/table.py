"""Every address of the pages."""

from typing import Final

from sidelong.web.routes import Route
from sidelong.web.sections import SECTIONS
from sidelong.web.views import assets, busy, dashboard, editing, groups, metrics, queue, queues, redis, running, sets

ROUTES: Final = [
    Route("GET", "/", dashboard.dashboard, "dashboard"),
    Route("GET", "/figures", dashboard.figures, "dashboard"),
    Route("GET", "/figures/stream", dashboard.stream, "dashboard"),
    Route("GET", "/busy", busy.busy, "busy"),
    Route("POST", "/busy", busy.act_on_all, "busy"),
    Route("GET", "/busy/{process}", busy.process, "busy"),
    Route("POST", "/busy/{process}", busy.act, "busy"),
    Route("POST", "/running", running.act, "busy"),
    Route("GET", "/running/{job}", running.job, "busy"),
    Route("POST", "/running/{job}", running.cancel, "busy"),
    Route("GET", "/queues", queues.listing, "queues"),
    Route("POST", "/queues/{queue}/state", queues.act, "queues"),
    Route("GET", "/queues/{queue}", queue.jobs, "queues"),
    Route("POST", "/queues/{queue}", queue.act, "queues"),
    Route("GET", "/queues/{queue}/jobs/{job}", queue.job, "queues"),
    Route("GET", "/queues/{queue}/jobs/{job}/edit", editing.FORM_OF_QUEUED, "queues"),
    Route("POST", "/queues/{queue}/jobs/{job}/edit", editing.CHANGE_OF_QUEUED, "queues"),
    *(Route("GET", f"/{section.name}/groups", groups.groups(section), section.name) for section in groups.SECTIONS),
    *(
        route
        for section in SECTIONS
        for route in (
            Route("GET", f"/{section.name}", sets.listing(section), section.name),
            Route("POST", f"/{section.name}", sets.acting(section), section.name),
            Route("GET", f"/{section.name}/{{entry}}", sets.detail(section), section.name),
            Route("GET", f"/{section.name}/{{entry}}/edit", editing.form(editing.entry_of(section)), section.name),
            Route("POST", f"/{section.name}/{{entry}}/edit", editing.change(editing.entry_of(section)), section.name),
        )
    ),
    Route("GET", "/metrics", metrics.metrics, "metrics"),
    Route("GET", "/metrics/{job}", metrics.job, "metrics"),
    Route("GET", "/redis", redis.redis, "redis"),
    Route("GET", "/redis/{key}", redis.key, "redis"),
    Route("GET", "/static/{digest}/{name}", assets.asset),
]
