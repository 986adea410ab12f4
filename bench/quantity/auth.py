"""What an API key costs: durable accepts per second of callers who bear one, and of nobody.

With: the key is looked up and its digest compared for each request, the owner's limits are asked as in `limits`, and
each submit leaves a line in the audit trail.
"""

from bench import ours
from bench.figure import Result, ratio
from bench.rounds import Subject, paired, warnings
from bench.server import Server
from bench.setting import Setting


def measure(setting: Setting) -> Result:
    """Accepts per second with keys, as a share of those without."""
    with setting.directory() as one, setting.directory() as another:
        command, token = ours.keyed(another)
        with (
            Server(ours.serve(one, workers=0), setting.server_core) as free,
            Server(command, setting.server_core) as held,
        ):
            subjects = [
                Subject("nobody", free, ours.submits(free, setting)),
                Subject("callers with an API key", held, ours.submits(held, setting, token=token)),
            ]
            rows = paired("auth", subjects, setting)
    what = "durable accepts with an API key / without"
    share = ratio(rows[1].rates, rows[0].rates, quantity="auth", what=what, floor=0.90, aim=0.97)
    return Result([share], rows, warnings(rows))
