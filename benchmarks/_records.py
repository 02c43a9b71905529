"""Figures of long runs, kept in files of one JSON object a line."""

import json
from pathlib import Path


def key(record, method):
    """Return what a record is of; `method` names the field that says by what."""
    return record["table"], record["seed"], record[method]


def read(paths, method):
    """Return key -> record of files, those that are there; the last of equals counts."""
    records = {}
    for path in filter(Path.exists, map(Path, paths)):
        for record in map(json.loads, path.read_text().splitlines()):
            if method not in record:
                raise SystemExit(f"{path} holds figures of another benchmark.")
            records[key(record, method)] = record
    return records


def append(path, record):
    """Add a record to a file, where `path` is one."""
    if path:
        with Path(path).open("a") as file:
            file.write(json.dumps(record) + "\n")


def add_arguments(parser):
    parser.add_argument("--from", dest="stored", nargs="+", default=[], metavar="FILE")
    parser.add_argument("--store", metavar="FILE", help="append figures, a line each")


def known(args, method):
    """Return the records of the files that the arguments name."""
    return read([*args.stored, *([args.store] if args.store else [])], method)
