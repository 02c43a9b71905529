"""How fast 4, 16 and 64 workers would train, reckoned from measured steps of one.

    python benchmarks/cluster_model.py FIGURES [--plot PATH]

FIGURES is what `cluster.py --json` has written. Assumed is that

- a step takes ``a + b m`` seconds for the m rows of a worker's part of a batch: a and b are
  those of the line through the measured steps of one worker with a whole and half a batch
  (a is 0 where that line is steeper than the steps are long: less of more rows is cached);
- workers wait for each other at every step, for as long as two did with the smaller batch
  beyond what the rest accounts for, however many there are;
- gradients are reduced in a ring, after the step and not beside it: k workers send
  ``2 (k - 1) / k`` times the bytes of the gradients each, in 2 (k - 1) messages of 0.1 ms;
- every worker has a core, and a network connection, of its own, and all are equally fast;
- the passes before and what follows the epochs are left out.

Two workers on one machine, where the connection is the loopback, are shown beside their
measured rate. With the smaller batch they agree, since the wait is learned from it; the larger
one is where the model is checked, and it is checked nowhere else.
"""

import argparse
import json

from _tables import TextTable, heading, remark

LATENCY = 1e-4
# Bits per second.
CONNECTIONS = {"1 Gbit/s": 1e9, "10 Gbit/s": 1e10}
# What the loopback carries, about.
LOOPBACK = 1e10
WORKERS = (1, 2, 4, 16, 64)


def line(training):
    """Return the seconds of a step without rows, and of a row."""
    batch, rates = training["batch"], training["rows_per_second"]
    whole, half = (n / rates[f"1,{n}"] for n in (batch, batch // 2))
    per_row = min(max(whole - half, 0.0) / (batch - batch // 2), whole / batch)
    return whole - per_row * batch, per_row


def seconds_of_step(n_workers, batch, n_bytes, bits_per_second, step, per_row, wait=0.0):
    seconds = step + per_row * batch / n_workers
    if n_workers > 1:
        n_sent = 2 * (n_workers - 1) / n_workers * n_bytes
        seconds += 8 * n_sent / bits_per_second + 2 * (n_workers - 1) * LATENCY + wait
    return seconds


def rows_per_second(n_workers, batch, *args):
    return batch / seconds_of_step(n_workers, batch, *args)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("figures")
    parser.add_argument("--plot", help="picture to write")
    args = parser.parse_args()
    with open(args.figures) as file:
        training = json.load(file)["training"]
    step, per_row = line(training)
    n_bytes, batch = training["n_bytes"], training["batch"]
    measured = training["rows_per_second"]
    on_loopback = n_bytes, LOOPBACK, step, per_row
    two = batch / measured[f"2,{batch}"]
    wait = max(two - seconds_of_step(2, batch, *on_loopback), 0.0)
    heading("Reckoned speed-up over one worker")
    table = TextTable(
        {
            "batch": ">9,.0f",
            "connection": "<12",
            **{f"{k} workers": ">11.1f" for k in WORKERS},
        }
    )
    curves = {}
    for size in (batch, 16 * batch):
        for name, bits in CONNECTIONS.items():
            rates = [
                rows_per_second(k, size, n_bytes, bits, step, per_row, wait)
                for k in WORKERS
            ]
            curves[f"{size:,} rows, {name}"] = speed_up = [r / rates[0] for r in rates]
            table.row(size, name, *speed_up)
    for size in sorted({int(key.split(",")[1]) for key in measured if key[0] == "2"}):
        one, two = (rows_per_second(k, size, *on_loopback, wait) for k in (1, 2))
        ratio = measured[f"2,{size}"] / measured[f"1,{size}"]
        remark(
            f"Two workers on one machine, {size:,} rows: reckoned {two / one:.2f} times one, "
            f"measured {ratio:.2f}."
        )
    remark(
        f"A step takes {1e3 * step:.2f} ms and {1e6 * per_row:.2f} us a row, and two workers "
        f"wait {1e3 * wait:.2f} ms."
    )
    if args.plot:
        plot(curves, args.plot)


def plot(curves, path):
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
    for label, speed_up in curves.items():
        axes.loglog(WORKERS, speed_up, marker="o", label=label, base=2)
    axes.loglog(WORKERS, WORKERS, color="0.7", linestyle=":", label="as many times", base=2)
    for axis in axes.xaxis, axes.yaxis:
        axis.set_major_formatter("{x:.0f}")
    axes.set(xlabel="workers", ylabel="times one worker's rows per second")
    axes.legend()
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main()
