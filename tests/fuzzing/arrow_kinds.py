"""Columns of pyarrow."""

from functools import partial

import pyarrow as pa

from fuzzing.kinds import MAY, NEVER, UNITS, ZONES, Kind, kinds_of


def array(type_, cells):
    return pa.array(cells, type_)


def chunked(type_, cells):
    half = len(cells) // 2
    parts = cells[:half], [], cells[half:]
    return pa.chunked_array([pa.array(part, type_) for part in parts], type_)


def dictionary(type_, cells):
    return pa.array(cells, type_).dictionary_encode()


def floats(cells):
    return pa.array(cells, pa.int64()).cast(pa.float64(), safe=False)


INTEGERS = [pa.int8(), pa.uint8(), pa.int32(), pa.int64(), pa.uint64()]
ARROW = {
    **kinds_of(array, [("small", type_) for type_ in INTEGERS]),
    **kinds_of(
        array,
        [
            ("float", pa.float32()),
            ("float", pa.float64()),
            ("flag", pa.bool_()),
            ("word", pa.string()),
            ("word", pa.large_string()),
            ("day", pa.date32()),
            *(("instant", pa.timestamp(unit)) for unit in UNITS),
            *(
                ("instant", pa.timestamp(unit, zone))
                for unit, zone in zip(UNITS * 2, ZONES, strict=False)
            ),
            *(("span", pa.duration(unit)) for unit in UNITS),
        ],
    ),
    **kinds_of(
        array,
        [
            ("word", getattr(pa, "string_view", lambda: None)()),
            ("day", pa.date64()),
            ("clock", pa.time64("us")),
            ("price", pa.decimal128(12, 2)),
            ("price", pa.decimal256(50, 2)),
            ("list", pa.list_(pa.int64())),
            ("struct", pa.struct({"a": pa.int64()})),
            ("bytes", pa.binary()),
        ],
        verdict=MAY,
    ),
    "int64 of whole": Kind("whole", partial(array, pa.int64())),
    "double of whole": Kind("whole", floats),
    "int64 of large": Kind("large", partial(array, pa.int64())),
    "uint64 of huge": Kind("huge", partial(array, pa.uint64())),
    "double of extremes": Kind("extreme", partial(array, pa.float64()), verdict=MAY),
    "double with inf": Kind("infinite", partial(array, pa.float64()), verdict=NEVER),
    "string of names": Kind("name", partial(array, pa.string())),
    "dictionary": Kind("word", partial(dictionary, pa.string())),
    "dictionary of int": Kind("small", partial(dictionary, pa.int64()), verdict=MAY),
    "timestamp far": Kind("far instant", partial(array, pa.timestamp("us"))),
    "null": Kind("nothing", partial(array, pa.null())),
    "string of nothing": Kind("nothing", partial(array, pa.string())),
    "chunked double": Kind("float", partial(chunked, pa.float64())),
    "chunked string": Kind("word", partial(chunked, pa.string())),
}
