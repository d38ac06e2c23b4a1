"""The model of all peers: Wyndor Glass with a profit rate of windows, which differs
from job to job, so that no peer can answer from a cache."""


def optimum(rate):
    """The known optimum: one of two vertices is optimal, whatever the rate."""
    return max(1200 + 3 * rate, 600 + 6 * rate)


def check(found, rate):
    """Fails on a wrong answer, so that a broken peer can't look fast."""
    best = optimum(rate)
    if abs(found - best) > 1e-6 * best:
        raise ValueError(f"{found} at a rate of {rate} instead of {best}")


def rates(count):
    """The rates of `count` jobs: 1 to 1000, again and again, as in the Rust load
    generator."""
    return [1 + job % 1000 for job in range(count)]
