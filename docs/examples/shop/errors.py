"""What the worker tells the error catcher; while the catcher is down, the worker's log has to do."""

from typing import Any

from shop import partners


async def tell(error: BaseException, context: dict[str, Any]) -> None:
    """Report one failure. Transient ones do not come here: see `transient` in `app.py`."""
    job = context.get("job") or {}
    await partners.tell_error(
        {
            "error": type(error).__name__,
            "message": str(error),
            "where": context.get("context", ""),
            "job": job.get("class", ""),
            "jid": job.get("jid", ""),
            "order": (job.get("args") or [None])[0],
        }
    )


async def alert(payload: dict[str, Any], error: BaseException) -> None:
    """Call a person: this job will not run again by itself."""
    if "discarded_at" in payload:
        # It chose to end because there was nothing left to do.
        return
    await partners.alert(
        {
            "error": type(error).__name__,
            "message": f"{payload['class']} has died: {error}",
            "job": payload["class"],
            "jid": payload["jid"],
            "order": (payload.get("args") or [None])[0],
        }
    )
