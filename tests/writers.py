"""A stand-in for the SummaryWriter of torch, which needs another package."""

import threading


class Writer:
    """What a SummaryWriter is: made from a folder, and holding what cannot be copied."""

    def __init__(
        self, log_dir, purge_step=None, max_queue=10, flush_secs=120, filename_suffix=""
    ):
        self.log_dir, self.purge_step = log_dir, purge_step
        self.max_queue, self.flush_secs = max_queue, flush_secs
        self.filename_suffix, self.lock = filename_suffix, threading.Lock()

    def add_scalar(self, tag, scalar_value, global_step):
        with self.lock, open(f"{self.log_dir}/{tag.replace('/', '-')}", "a") as file:
            file.write(f"{global_step} {scalar_value}\n")

    def close(self):
        pass
