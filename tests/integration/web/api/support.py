"""What the tests of the JSON API share."""

from tests.integration.web.test_lists import job

SETS = {"scheduled": "schedule", "retries": "retry", "dead": "dead"}


def seed(site, name="retry", count=3, first=0, **fields):
    site.client.zadd(name, {job(number, **fields): 5.5 + number for number in range(first, first + count)})


def numbers(answer):
    return [each["args"][0] for each in answer["jobs"]]
