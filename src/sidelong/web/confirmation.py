"""The question before what cannot be undone. It is a page of its own, so that it needs no script."""

from starlette.responses import Response

from sidelong.web import texts
from sidelong.web.security.bodies import Form
from sidelong.web.visit import Visit


async def confirmation(
    visit: Visit, form: Form, question: str, action: str, *, title: str = "confirm", yes: str = "confirm_yes"
) -> Response:
    """Return the page that asks whether to go on with a form, which it sends again with `confirmed`.

    Args:
        visit: the request.
        form: what it brought.
        question: what to ask.
        action: what it would do.
        title: name of the text above the question.
        yes: name of the text on the button.
    """
    fields = [(name, value) for name, given in form.items() for value in given if name != "confirmed"]
    back = visit.back_url(form.get("return", [""])[-1])
    return await visit.page(
        "confirm.html",
        title=texts.text(title),
        question=question,
        yes=texts.text(yes, action=texts.text(action).lower()),
        fields=fields,
        back=back,
    )
