"""Jobs that run, each by itself; and calling them off."""

from starlette.responses import Response

from sidelong.api.reasons import Reasons
from sidelong.api.work import WorkSet
from sidelong.web import texts
from sidelong.web.actions import processes, running
from sidelong.web.chosen import Chosen
from sidelong.web.confirmation import confirmation
from sidelong.web.job_page import JobPage
from sidelong.web.security.bodies import read_form
from sidelong.web.visit import Visit, bad_request, not_found


async def job(visit: Visit) -> Response:
    """Return the page of one job."""
    work = await WorkSet(visit.site.app).find_work(visit.names["job"]) or not_found()
    reasons = await Reasons.of(visit.site.app)
    page = JobPage(
        up="/busy",
        up_name=texts.text("busy"),
        act_at="/running",
        key=work.record.jid,
        actions=[action for action in running.ACTIONS if await visit.may(action, processes.RUNNING)],
        reasons=reasons.running(work.identity, is_told=True),
        when=("started", work.run_at) if work.run_at is not None else None,
        work=work,
    )
    return await page.show(visit, work.record)


async def cancel(visit: Visit) -> Response:
    """Call one job off."""
    form = await read_form(visit.request)
    jid = visit.names["job"]
    if form.get("action") != ["cancel"]:
        bad_request()
    if "confirmed" not in form:
        await visit.require("cancel", processes.RUNNING)
        return await confirmation(visit, form, texts.text("confirm_cancel", name=jid), "cancel")
    outcome, _ = await processes.cancel(visit, jid)
    # What neither waits nor runs has just ended.
    return visit.back(form.get("return", [""])[-1], "/busy", "gone" if outcome == "not_found" else outcome)


async def act(visit: Visit) -> Response:
    """Call off the jobs that were ticked, or all that match."""
    chosen = Chosen.read(await read_form(visit.request), running.ACTIONS)
    await visit.require(chosen.action, processes.RUNNING)
    if chosen.selection.is_empty:
        return visit.back(chosen.way_back, "/busy", "nothing")
    if chosen.must_ask:
        return await chosen.ask(visit, await WorkSet(visit.site.app).size())
    return await chosen.answer(visit, await running.cancel(visit, chosen.selection), "/busy")
