"""What the Python client costs for each operation, against the same requests by hand with httpx2.

Submit, stream to the end, result: one after the other, against one process with a worker inside.
"""

from bench import ordering, ours
from bench.figure import Result, figure, ratio
from bench.ordering import Took
from bench.server import Server
from bench.setting import Setting

OPERATIONS_A_SECOND = 100  # only sets how many a round has


def measure(setting: Setting) -> Result:
    """Ratios of processor time and of the clock; and the microseconds behind them."""
    count = setting.count(int(OPERATIONS_A_SECOND * setting.seconds))
    took: dict[str, list[Took]] = {how: [] for how in ordering.HOW}
    with setting.directory() as directory, Server(ours.embedded(directory), setting.server_core) as server:
        for number in range(setting.rounds):
            for how in ordering.HOW if number % 2 == 0 else reversed(ordering.HOW):
                took[how].append(ordering.run(how, server.port, count, setting.load_core))
                server.check()
    figures = []
    for how in ("blocking", "asynchronous"):
        mine, hand = took[how], took[f"{how} by hand"]
        cpu, wall = ([getattr(each, name) for each in mine] for name in ("cpu_us", "wall_us"))
        by_hand, by_hand_wall = ([getattr(each, name) for each in hand] for name in ("cpu_us", "wall_us"))
        figures += [
            figure(by_hand, quantity="client", what=f"{how}, by hand: processor time", unit="us"),
            figure(cpu, quantity="client", what=f"{how}, client: processor time", unit="us"),
            ratio(cpu, by_hand, quantity="client", what=f"{how}: processor time, client / by hand"),
            ratio(wall, by_hand_wall, quantity="client", what=f"{how}: clock, client / by hand"),
        ]
    return Result(figures, notes=[f"client: {count} operations a round, one after the other"])
