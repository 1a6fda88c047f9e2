"""Knows what log lines and error codes of media servers really mean. Pure but for its table: lines and facts in,
diagnoses out. It never opens a log and never acts.

    table = load_table()
    matcher, incidents = Matcher(table), Incidents()
    for match in matcher.feed(data):  # any piece of a log
        diagnosis = incidents.add(match)  # where it is news
"""

from steadycast.tracking.signatures.diagnosis import Diagnosis, Evidence
from steadycast.tracking.signatures.facts import Facts
from steadycast.tracking.signatures.incidents import Incidents
from steadycast.tracking.signatures.line import Line
from steadycast.tracking.signatures.matcher import Match, Matcher
from steadycast.tracking.signatures.schema import load_table
from steadycast.tracking.signatures.table import Cause, Signature, Table
from steadycast.tracking.signatures.weighing import Likely

__all__ = [
    "Cause",
    "Diagnosis",
    "Evidence",
    "Facts",
    "Incidents",
    "Likely",
    "Line",
    "Match",
    "Matcher",
    "Signature",
    "Table",
    "load_table",
]
