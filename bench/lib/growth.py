"""How cost grows with the number of what it is paid for: the exponent of a power that fits, 1 where it is linear."""
import math

from report import Row, figure, median

LINEAR = ("<=", 1.1)  # caches that are too small for many make each a little dearer
FROM = 9  # of fewer the memory is lost among pages that come and go


def exponent(points):
    """The slope of the line through the points, (how many, what all cost), on paper with two logarithmic scales."""
    logs = [(math.log(n), math.log(cost)) for n, cost in points if n > 0 and cost > 0]
    if len({n for n, _ in logs}) < 2:
        return None
    mean_n, mean_cost = (sum(values) / len(logs) for values in zip(*logs))
    return (sum((n - mean_n) * (cost - mean_cost) for n, cost in logs) / sum((n - mean_n) ** 2 for n, _ in logs))


def rows(group, names_and_points, unit_of):
    """For each name a row: of each round the exponent; at each step the cost of one. `names_and_points`: for each name
    the rounds, each a list of points."""
    for name, rounds in names_and_points.items():
        first = FROM if unit_of[name] == "KiB" else 1
        most = max((n for points in rounds for n, _ in points), default=0)
        whole = [points for points in rounds if any(n == most for n, _ in points)]  # not every round goes so far
        fits = [exponent([point for point in points if point[0] >= first]) for points in whole]
        fits = [fit for fit in fits if fit is not None]
        steps = {}
        for points in rounds:
            for n, cost in points:
                steps.setdefault(n, []).append(cost / n)
        each = ", ".join(f"{n:,}: {figure(median(costs))}" for n, costs in sorted(steps.items()))
        yield Row(group, f"{name}, exponent", "", fits, LINEAR, f"{unit_of[name]} each of {each}" if fits else "")
