"""A service that scores rows of JSON by a fitted detector.

    python examples/service/train.py
    python examples/service/app.py detector.skops

It listens on the loopback alone. `detector.onnx` in place of the skops file is served by
onnxruntime, without torch; then it does not say which cells are guilty.
"""

import argparse
import os
from typing import Annotated

from cells import MAX_ROWS, BadRows, parse
from fastapi import Depends, FastAPI, HTTPException, Query, Request
from fastapi.responses import JSONResponse

MAX_BYTES = 8 * 2**20


def load(path):
    """Return the scorer of a file: by skae, or of an ONNX file by onnxruntime."""
    if not os.path.isfile(path):
        raise FileNotFoundError(f"There is no file {str(path)!r}; train.py writes one.")
    # Imported here, for a service of an ONNX file needs no torch.
    if str(path).endswith(".onnx"):
        from by_onnx import OnnxScorer

        return OnnxScorer(path)
    from by_skae import SkaeScorer

    return SkaeScorer(path)


def replies(scorer, rows, n_cells):
    """Return what is said of checked rows, a list of dict."""
    made = []
    scores, labels, pvalues = scorer.score(rows)
    for row, score, label, pvalue in zip(rows, scores, labels, pvalues, strict=True):
        unknown = [
            {"field": column.name, "value": cell}
            for column, cell in zip(scorer.columns, row, strict=True)
            if column.is_unknown(cell)
        ]
        made.append({"score": score, "label": label, "pvalue": pvalue, "unknown": unknown})
    guilty = [place for place, label in enumerate(labels) if label == -1]
    explained = scorer.explain([rows[i] for i in guilty], n_cells) if guilty else []
    for place, cells in zip(guilty, explained or [], strict=False):
        made[place]["guilty"] = [
            {"field": scorer.columns[i].name, "contribution": value} for i, value in cells
        ]
    return made


async def body_of(request: Request):
    """Return the body of a request, unless it is too long."""
    parts, size = [], 0
    async for part in request.stream():
        parts.append(part)
        size += len(part)
        if size > MAX_BYTES:
            raise HTTPException(413, f"The body is longer than {MAX_BYTES} bytes.")
    return b"".join(parts)


def create_app(path=None, max_rows=MAX_ROWS):
    """Return the service of a file, by default that of the environment's SKAE_FILE."""
    path = path or os.environ.get("SKAE_FILE")
    if path is None:
        raise ValueError("Name a file, or set the environment variable SKAE_FILE.")
    scorer = load(path)
    names = [column.name for column in scorer.columns]
    if len(set(names)) < len(names):
        raise ValueError(f"{path}: two columns have the same name as text; rename one.")
    app = FastAPI(title="skae")

    @app.exception_handler(BadRows)
    async def refuse(request, error):
        return JSONResponse({"detail": error.problems}, status_code=422)

    @app.get("/health")
    def health():
        return {"status": "ok"}

    @app.get("/model")
    def model():
        columns = [column.describe() for column in scorer.columns]
        return {**scorer.about, "max_rows": max_rows, "columns": columns}

    # No coroutine: FastAPI runs it on a thread, and others are served meanwhile.
    @app.post("/score")
    def score(
        body: Annotated[bytes, Depends(body_of)],
        n_cells: Annotated[int, Query(ge=0, le=100)] = 3,
    ):
        rows, is_single = parse(body, scorer.columns, max_rows)
        made = replies(scorer, rows, n_cells)
        return JSONResponse(made[0] if is_single else made)

    return app


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", nargs="?", help="default: the environment's SKAE_FILE")
    parser.add_argument("--port", type=int, default=8000)
    given = parser.parse_args()
    # Clients are served side by side; read when torch is imported.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    import uvicorn

    uvicorn.run(create_app(given.file), host="127.0.0.1", port=given.port)


if __name__ == "__main__":
    main()
