"""The example of a service, driven over HTTP."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import skae
import skae.export

for name in ("fastapi", "uvicorn", "httpx", "onnx", "onnxscript", "onnxruntime", "skops"):
    pytest.importorskip(name)

import httpx  # noqa: E402
import uvicorn  # noqa: E402

SERVICE = Path(__file__).parents[1] / "examples" / "service"
ROW = {
    "amount": 7.5,
    "shop": "bakery",
    "abroad": False,
    "when": "2026-02-03T10:00:00+01:00",
}


def json_rows(frame):
    """Rows of the example's table as a client sends them."""
    rows = frame.assign(
        when=[None if w is pd.NaT else w.isoformat() for w in frame["when"]]
    )
    rows = rows.astype(object)
    return rows.where(rows.notna(), None).to_dict("records")


@pytest.fixture(scope="module")
def service_path():
    """The folder of the example, from which its modules are imported."""
    sys.path.insert(0, str(SERVICE))
    yield SERVICE
    sys.path.remove(str(SERVICE))
    for name in ("app", "cells", "by_skae", "by_onnx", "train"):
        sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def files(service_path, tmp_path_factory):
    """A detector, rows to score, and the folder of both files."""
    from train import payments

    folder = tmp_path_factory.mktemp("service")
    frame = payments(200)
    frame["rest"] = pd.to_timedelta(np.arange(200) % 7, "min")
    frame["desk"] = pd.Categorical(np.array([40, 7, 1900])[np.arange(200) % 3])
    detector = skae.AEAnomalyDetector(n_estimators=2, max_iter=20, random_state=0).fit(
        frame
    )
    skae.save(detector, folder / "detector.skops")
    skae.export.onnx(detector, folder / "detector.onnx")
    rows = payments(60, seed=1)
    rows["amount"] *= np.where(np.arange(60) % 9 == 0, 100.0, 1.0)
    rows["rest"] = pd.to_timedelta(np.where(np.arange(60) % 9 == 0, 600.0, 3.0), "min")
    rows["desk"] = pd.Categorical(np.where(np.arange(60) % 2, 7, 40))
    return detector, rows, folder


def sent(rows):
    """Rows of the fixture as JSON."""
    found = json_rows(rows.drop(columns=["rest", "desk"]))
    rest, desk = rows["rest"].dt.total_seconds(), rows["desk"].tolist()
    return [
        {**row, "rest": seconds, "desk": code}
        for row, seconds, code in zip(found, rest, desk, strict=True)
    ]


def on_a_thread(path):
    """Serve the file on a thread of this process; yield the address."""
    from app import create_app

    server = uvicorn.Server(uvicorn.Config(create_app(path), port=0, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()


def by_command(path):
    """Serve the file as its README says, in a process of its own; yield the address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, str(SERVICE / "app.py"), str(path), "--port", str(port)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    try:
        until = time.monotonic() + 60
        while True:
            try:
                assert httpx.get(f"{address}/health").json() == {"status": "ok"}
                break
            except httpx.ConnectError:
                assert process.poll() is None
                assert time.monotonic() < until
                time.sleep(0.05)
        yield address
    finally:
        process.terminate()
        process.wait()


@pytest.fixture(scope="module", params=["skops", "onnx"])
def client(request, files):
    serve = on_a_thread if request.param == "skops" else by_command
    addresses = serve(files[2] / f"detector.{request.param}")
    with httpx.Client(base_url=next(addresses), timeout=60) as client:
        client.kind = request.param
        yield client
    next(addresses, None)


def test_eight_clients_get_the_scores_of_the_estimator(client, files):
    detector, rows, _ = files
    bodies = sent(rows)
    n_threads = torch.get_num_threads()

    def of_client(number):
        own = range(number, len(bodies), 8)
        replies = [client.post("/score", json=bodies[i]) for i in own]
        assert all(reply.status_code == 200 for reply in replies)
        return {i: reply.json() for i, reply in zip(own, replies, strict=True)}

    with ThreadPoolExecutor(8) as pool:
        found = {i: r for part in pool.map(of_client, range(8)) for i, r in part.items()}
    for key, method in [
        ("score", detector.score_samples),
        ("label", detector.predict),
        ("pvalue", detector.pvalues),
    ]:
        wanted = method(rows)
        np.testing.assert_allclose([found[i][key] for i in range(60)], wanted, atol=1e-5)
        assert len(np.unique(wanted)) > 1
    assert torch.get_num_threads() == n_threads


def test_many_rows_are_scored_in_their_order_and_anomalies_explained(client, files):
    detector, rows, _ = files
    reply = client.post("/score", params={"n_cells": 2}, json=sent(rows)).json()
    np.testing.assert_allclose(
        [row["score"] for row in reply], detector.score_samples(rows), atol=1e-5
    )
    labels = [row["label"] for row in reply]
    assert all(labels[i] == -1 for i in range(0, 60, 9))
    for i, row in enumerate(reply):
        assert ("guilty" in row) == (client.kind == "skops" and labels[i] == -1)
    if client.kind == "skops":
        wanted = detector.explain(rows)
        for i in range(0, 60, 9):
            fields = [cell["field"] for cell in reply[i]["guilty"]]
            assert 1 <= len(fields) <= 2
            assert fields[0] == wanted.iloc[i].idxmax()


def test_a_new_category_is_scored_as_such_and_said_to_be_new(client, files):
    detector, rows, _ = files
    body = sent(rows[1:2])[0] | {"shop": "b\0kery", "desk": 8}
    row = rows[1:2].assign(shop="b\0kery", desk=pd.Categorical([8]))
    reply = client.post("/score", json=body).json()
    assert reply["unknown"] == [
        {"field": "shop", "value": "b\0kery"},
        {"field": "desk", "value": 8},
    ]
    assert reply["score"] == pytest.approx(detector.score_samples(row)[0], abs=1e-5)
    known = detector.score_samples(rows[1:2])[0]
    assert abs(reply["score"] - known) > 0.01
    empty = client.post("/score", json=body | {"shop": "", "desk": 7}).json()
    missing = client.post("/score", json=body | {"shop": None, "desk": 7}).json()
    assert empty["unknown"] == [{"field": "shop", "value": ""}]
    assert missing["unknown"] == []
    assert abs(empty["score"] - missing["score"]) > 0.01


def test_a_row_of_missing_cells_is_scored(client, files):
    detector, rows, _ = files
    reply = client.post("/score", json=dict.fromkeys(rows)).json()
    empty = rows[:1].mask(np.ones((1, rows.shape[1]), dtype=bool))
    assert reply["score"] == pytest.approx(detector.score_samples(empty)[0], abs=1e-5)


def test_the_service_tells_what_it_wants(client):
    said = client.get("/model").json()
    assert [c["name"] for c in said["columns"]] == [*ROW, "rest", "desk"]
    kinds = [column["kind"] for column in said["columns"]]
    assert kinds == ["number", "text", "boolean", "date", "duration", "code"]
    assert said["columns"][1]["levels"] == ["bakery", "fuel", "travel"]
    assert said["versions"]["skae"] == skae.__version__
    assert said["file"] == client.kind


FULL = ROW | {"rest": 60, "desk": 7}


@pytest.mark.parametrize(
    ("field", "value", "shown", "wanted"),
    [
        ("amount", '"7.5"', '"7.5"', "a finite number"),
        ("amount", "true", "true", "a finite number"),
        ("amount", "[7.5]", "a list", "a finite number"),
        ("amount", '{"euros": 7}', "an object", "a finite number"),
        ("amount", "NaN", "NaN", "a finite number"),
        ("amount", "-Infinity", "-Infinity", "a finite number"),
        ("amount", "1e999", "Infinity", "a finite number"),
        ("amount", "1" + "0" * 400, "1000", "a finite number"),
        ("shop", "3", "3", "text"),
        ("shop", '"\\ud800"', '"\\ud800"', "text"),
        ("abroad", "0", "0", "true or false"),
        ("abroad", '"no"', '"no"', "true or false"),
        ("when", '"yesterday"', '"yesterday"', "a date as ISO 8601"),
        ("when", '"2026-02-30T00:00:00Z"', '"2026-02-30', "a date as ISO 8601"),
        ("when", '"2026-02-03T10:00:00"', '"2026-02-03', "with its offset from UTC"),
        ("when", "1770000000", "1770000000", "a date as ISO 8601"),
        ("rest", '"a minute"', '"a minute"', "a duration in seconds"),
        ("rest", "1e300", "1e+300", "a duration in seconds"),
        ("desk", '"7"', '"7"', "a finite number"),
        ("desk", "Infinity", "Infinity", "a finite number"),
    ],
)
def test_a_wrong_cell_is_named(client, field, value, shown, wanted):
    row = json.dumps(FULL | {field: "HERE"}).replace('"HERE"', value)
    reply = client.post("/score", content=f"[{json.dumps(FULL)}, {row}]")
    assert reply.status_code == 422
    (problem,) = reply.json()["detail"]
    assert (problem["row"], problem["field"]) == (1, field)
    assert shown in problem["value"]
    assert wanted in problem["wanted"]
    for part in ("Row 1", repr(field), shown, wanted):
        assert part in problem["message"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", ["no JSON"]),
        (b"amount=7", ["no JSON"]),
        (b'{"amount": 7', ["no JSON"]),
        (b'{"amount": ' + b"9" * 5000 + b"}", ["no JSON"]),
        (b"[" * 100_000, ["nested too deeply"]),
        (b"\xff\xfe", ["no UTF-8"]),
        (b"7", ["no row", "7", "an object"]),
        (b"null", ["no row", "null", "an object"]),
        (b"[]", ["no row", "one row or more"]),
        (json.dumps([FULL, [7.5, "fuel"]]).encode(), ["Row 1", "a list", "an object"]),
        (json.dumps([FULL] * 1001).encode(), ["1001 rows", "at most 1000"]),
        (json.dumps(ROW).encode(), ["Row 0", "'rest'", "'desk'", "not there"]),
        (
            json.dumps(FULL | {"größe": "klein"}).encode(),
            ["Row 0", "'größe'", "no such column", "abroad, amount"],
        ),
        (
            json.dumps(FULL)[:-1].encode() + b', "amount": 8}',
            ["Row 0", "'amount'", "twice"],
        ),
    ],
)
def test_what_is_no_row_is_refused(client, body, words):
    reply = client.post("/score", content=body)
    assert reply.status_code == 422
    messages = " ".join(problem["message"] for problem in reply.json()["detail"])
    for word in words:
        assert word in messages


def test_of_very_much_that_is_wrong_the_first_is_said(client):
    pairs = ", ".join(f'"field{i // 2}": 1' for i in range(100_000))
    reply = client.post("/score", content=f"{{{pairs}}}")
    assert reply.status_code == 422
    assert 1 <= len(reply.json()["detail"]) <= 20
    reply = client.post("/score", json=[FULL | {"amount": "7"}] * 100)
    assert [problem["row"] for problem in reply.json()["detail"]] == list(range(20))


def test_a_body_that_is_too_long_is_not_read(client):
    assert client.post("/score", content=b" " * 9 * 2**20).status_code == 413
    assert client.post("/score", json=FULL).status_code == 200


def test_onnx_is_served_without_torch(files):
    code = (
        "import sys; from app import create_app; create_app(sys.argv[1]);"
        "print({'torch', 'skae', 'sklearn', 'pandas', 'scipy'} & set(sys.modules))"
    )
    command = [sys.executable, "-c", code, str(files[2] / "detector.onnx")]
    environment = os.environ | {"PYTHONPATH": str(SERVICE)}
    found = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "set()"


def test_cells_of_dates_are_in_the_unit_of_their_column(service_path):
    from cells import Column, parse

    moment = "2026-03-31T10:00:00.123456789"
    for unit in ("D", "s", "ms", "us", "ns"):
        columns = [Column("t", "date", unit=unit), Column("d", "duration", unit=unit)]
        ((time_cell, duration),), is_single = parse(
            json.dumps({"t": moment, "d": 172_800.0}).encode(), columns
        )
        assert time_cell == np.datetime64(moment).astype(f"M8[{unit}]").astype(np.int64)
        assert duration == np.timedelta64(2, "D").astype(f"m8[{unit}]").astype(np.int64)
        assert is_single
    zoned = [Column("t", "date", unit="ns", zone="Europe/Berlin")]
    body = b'{"t": "1969-12-31T23:59:59.000000001-01:00"}'
    assert parse(body, zoned)[0] == [[3_599_000_000_001]]


def test_an_array_is_scored_by_the_names_of_its_columns(service_path, tmp_path):
    from by_onnx import OnnxScorer
    from by_skae import SkaeScorer
    from cells import parse

    X = np.random.default_rng(0).normal(size=(60, 3))
    X[::4, 1] = np.nan
    detector = skae.AEAnomalyDetector(n_estimators=2, max_iter=50, random_state=0).fit(X)
    skae.save(detector, tmp_path / "a.skops")
    skae.export.onnx(detector, tmp_path / "a.onnx")
    names = ["x0", "x1", "x2"]
    body = [
        {n: None if np.isnan(v) else v for n, v in zip(names, row, strict=True)}
        for row in X
    ]
    for scorer in (SkaeScorer(tmp_path / "a.skops"), OnnxScorer(tmp_path / "a.onnx")):
        rows, _ = parse(json.dumps(body).encode(), scorer.columns)
        scores, labels, _ = scorer.score(rows)
        np.testing.assert_allclose(scores, detector.score_samples(X), atol=1e-5)
        assert labels == detector.predict(X).tolist()


def test_a_file_that_is_no_detector_is_refused(files, tmp_path):
    import onnx
    from app import create_app

    X = np.random.default_rng(0).normal(size=(40, 3))
    transformer = skae.AutoencoderTransformer(1, max_iter=2, random_state=0).fit(X)
    skae.save(transformer, tmp_path / "t.skops")
    with pytest.raises(ValueError, match="AEAnomalyDetector"):
        create_app(tmp_path / "t.skops")
    model = onnx.load(files[2] / "detector.onnx")
    said = json.loads(model.metadata_props[0].value)
    said["outputs"] = said["outputs"][:1]
    model.metadata_props[0].value = json.dumps(said)
    onnx.save(model, tmp_path / "t.onnx")
    with pytest.raises(ValueError, match="lacks score_samples, pvalues"):
        create_app(tmp_path / "t.onnx")
    del model.metadata_props[:]
    onnx.save(model, tmp_path / "other.onnx")
    with pytest.raises(ValueError, match=r"no file of skae\.export\.onnx"):
        create_app(tmp_path / "other.onnx")
    with pytest.raises(FileNotFoundError, match="no file"):
        create_app(tmp_path / "u.onnx")
