"""Asks each series of one life for less or more, by what the others say (company.py)."""

from __future__ import annotations

from collections.abc import Mapping

from steadycast.model.series import Measured, Resource
from steadycast.tracking.leaks.company import INSIDE, OUTSIDE, eased
from steadycast.tracking.leaks.trend import Trend


def ease(trends: Mapping[Measured, Trend]) -> None:
    """Sets `ease` of each."""
    views = {one: trend for one, trend in trends.items() if one.resource in INSIDE | OUTSIDE and not one.detail}
    leaning = {one: trend.leaning for one, trend in views.items()}
    longest = max((growth.hours for one, growth in leaning.items() if growth and one.resource in OUTSIDE), default=0.0)
    inside = views.get(Measured(Resource.IN_USE))
    risen = inside.rise(longest) if inside is not None and longest > 0 else None
    for measured, less in eased(leaning, risen).items():
        views[measured].ease = less
