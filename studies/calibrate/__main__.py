"""Does the review keep its word? Pairs whose true difference is known -> docs/calibration.md.

What is trained is listed in scenarios.py, and kept in data/calibration/, so that a run that was
stopped goes on. `make calibrate` needs the arrays that `make repro` leaves in data/arrays/, and an
hour on two cores. `python -m studies.calibrate --page` writes the page from what is there already.
"""

if not __package__:
    raise SystemExit("to run studies/calibrate: make calibrate, or python -m studies.calibrate")

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from tqdm import tqdm

from stages.core.run.stage import parser_of, tool
from studies.calibrate import page
from studies.calibrate.measure import train
from studies.calibrate.scenarios import SETTINGS

ROUNDS = 5  # so that after a fifth of the time there is something of each to be seen
AT_A_TIME = 6  # tasks; each, a fifth of the samples of a network, leaves up to a GB behind


def planned(settings) -> list[tuple]:
    """(setting, network, numbers of samples): a share of each setting before the next share."""
    return [
        (setting, name, range(count * part // ROUNDS, count * (part + 1) // ROUNDS))
        for part in range(ROUNDS)
        for setting in settings
        for name in setting.networks
        for count in [setting.samples(name)]
    ]


def train_all(tasks):
    """Call `train` with each, a few at a time in two processes, for TensorFlow frees little."""
    for start in tqdm(range(0, len(tasks), AT_A_TIME), disable=None):
        some = tasks[start : start + AT_A_TIME]
        with ProcessPoolExecutor(2, get_context("spawn")) as pool:
            list(pool.map(train, *zip(*some, strict=True)))


def main():
    """Train all pairs and write the page."""
    parser = parser_of(main)
    parser.add_argument("--page", action="store_true", help="only write the page, without training")
    if not parser.parse_args().page:
        train_all(planned(SETTINGS))
    page.write()


if __name__ == "__main__":
    tool(main)
