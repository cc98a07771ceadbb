"""A number and what it counts, in words for people."""


def counted(number: int, noun: str) -> str:
    """Return `1 job`, `2 jobs`, `no jobs`, for a noun whose plural takes an s."""
    return f"{number or 'no'} {noun}{'' if number == 1 else 's'}"
