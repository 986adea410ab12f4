"""What it costs to know who asks and to hold them to their limits: durable accepts per second with and without.

Without: nobody says who they are. With: a function of the app's says it for each request, a token bucket is asked, two
headers tell what is left of it, and the share of the queue is counted inside of each accepting transaction.
"""

from bench import ours
from bench.figure import Result, ratio
from bench.rounds import Subject, paired, warnings
from bench.server import Server
from bench.setting import Setting


def measure(setting: Setting) -> Result:
    """Accepts per second of known owners, as a share of those of nobody."""
    with (
        setting.directory() as one,
        setting.directory() as another,
        Server(ours.serve(one, workers=0), setting.server_core) as free,
        Server(ours.owned(another), setting.server_core) as held,
    ):
        subjects = [
            Subject("nobody, no limits", free, ours.submits(free, setting)),
            Subject("known owners within their limits", held, ours.submits(held, setting)),
        ]
        rows = paired("limits", subjects, setting)
    what = "durable accepts with limits / without"
    share = ratio(rows[1].rates, rows[0].rates, quantity="limits", what=what, floor=0.90, aim=0.97)
    return Result([share], rows, warnings(rows))
