import logging

from sidelong.cli.dev.advice import AdviceFilter
from sidelong.core.logs.message import Advice, LogMessage


def record(message):
    return logging.LogRecord("sidelong.store", logging.WARNING, __file__, 1, message, None, None)


def test_advice_is_told_once_by_all_hosts_and_other_things_as_often_as_they_are_said():
    reports = []
    first = AdviceFilter([], reports.append)
    assert first.filter(record(Advice("nothing is kept on disk")))
    assert first.filter(record(Advice("an answer takes 60 ms", kind="far")))
    assert not first.filter(record(Advice("nothing is kept on disk")))
    assert reports == [["nothing is kept on disk"], ["nothing is kept on disk", "far"]]

    later = AdviceFilter(reports[-1], reports.append)

    assert not later.filter(record(Advice("nothing is kept on disk")))
    assert not later.filter(record(Advice("an answer takes 70 ms", kind="far")))
    assert later.filter(record(Advice("jobs may be evicted")))
    assert reports[-1] == ["nothing is kept on disk", "far", "jobs may be evicted"]
    assert all(later.filter(record(message)) for message in ["text", "text", LogMessage("text"), LogMessage("text")])


def test_every_handler_gets_it():
    advice = AdviceFilter([], lambda told: None)
    told = record(Advice("nothing is kept on disk"))

    assert advice.filter(told)
    assert advice.filter(told)
