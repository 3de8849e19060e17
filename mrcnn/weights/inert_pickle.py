"""Pickles read as data: nothing that they name is imported, called or built.

A pickle is a program for a small machine with a stack. This is that machine without its power: what
would call a function becomes a `Call` that says which one and with what, for the reader to look at.
"""

import pickletools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO

# Each is one instruction at least, and a value of Python of some dozens of bytes.
MOST_INSTRUCTIONS = 10_000_000


@dataclass(frozen=True, eq=False)
class Name:
    """What a pickle names: `"torch.FloatStorage"`."""

    name: str


@dataclass(frozen=True, eq=False)
class Call:
    """What a pickle would call."""

    function: Any
    arguments: Any

    @property
    def name(self) -> str:
        """Of the function, or "" where it is none that is named."""
        return self.function.name if isinstance(self.function, Name) else ""


@dataclass(frozen=True, eq=False)
class Reference:
    """What is stored outside the pickle, by what the pickle says of it."""

    identity: Any


_MARK = object()


def read(file: BinaryIO, references: list[Reference] | None = None) -> Any:
    """Read one pickle, of any protocol; the position is behind it afterwards.

    Args:
        file: Open for reading bytes.
        references: Gets every `Reference` in it.

    Returns:
        None, numbers, text, bytes, tuples, lists, dicts and sets, as they were; and `Name`, `Call`
        and `Reference`. A `collections.OrderedDict` is a dict.

    Raises:
        ValueError: It is no pickle, cut off, has too many instructions, or uses what state dicts do
            not.
    """
    machine = _Machine([] if references is None else references)
    try:
        for count, (opcode, argument, _) in enumerate(pickletools.genops(file)):
            if count > MOST_INSTRUCTIONS:
                raise ValueError(f"a pickle of more than {MOST_INSTRUCTIONS:,} instructions")
            if opcode.name == "STOP":
                return machine.stack.pop()
            machine.do(opcode.name, argument)
    except (IndexError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise ValueError(f"no sound pickle: {type(error).__name__} {error}") from None
    raise ValueError("a pickle without an end")


class _Machine:
    def __init__(self, references: list[Reference]) -> None:
        self.references = references
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def do(self, name: str, argument: Any) -> None:
        if name in _VALUES:
            self.stack.append(_VALUES[name](argument))
        elif name in _STEPS:
            _STEPS[name](self, argument)
        elif name not in ("PROTO", "FRAME"):
            raise ValueError(f"the instruction {name}, which state dicts do not use")

    def since_mark(self) -> list[Any]:
        at = len(self.stack) - 1
        while self.stack[at] is not _MARK:
            if not at:
                raise ValueError("no sound pickle: its stack has no mark")
            at -= 1
        values = self.stack[at + 1 :]
        del self.stack[at:]
        return values

    def last(self, count: int) -> list[Any]:
        if len(self.stack) < count:
            raise ValueError("no sound pickle: its stack is empty")
        values = self.stack[len(self.stack) - count :]
        del self.stack[len(self.stack) - count :]
        return values

    def call(self, function: Any, arguments: Any) -> None:
        ordered = isinstance(function, Name) and function.name == "collections.OrderedDict"
        if ordered and (arguments == () or isinstance(arguments, tuple) and len(arguments) == 1):
            self.stack.append(dict(*arguments))
        else:
            self.stack.append(Call(function, arguments))

    def refer(self, identity: Any) -> None:
        self.references.append(Reference(identity))
        self.stack.append(self.references[-1])

    def put(self, key: int) -> None:
        self.memo[key] = self.stack[-1]

    def set_items(self, pairs: list[Any]) -> None:
        if isinstance(self.stack[-1], dict):
            self.stack[-1].update(zip(pairs[::2], pairs[1::2], strict=True))

    def add_items(self, values: list[Any]) -> None:
        if isinstance(self.stack[-1], list):
            self.stack[-1].extend(values)
        elif isinstance(self.stack[-1], set):
            self.stack[-1].update(values)


def _name(argument: Any) -> Name:
    return Name(argument.replace(" ", "."))


def _tuple_of(count: int) -> Callable[[_Machine, Any], None]:
    return lambda m, _: m.stack.append(tuple(m.last(count)))


def _as_is(argument: Any) -> Any:
    return argument


_NUMBERS = ("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT")
_TEXTS = (
    "STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE",
    "BINUNICODE8", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8",
)  # fmt: skip
_VALUES: dict[str, Callable[[Any], Any]] = {
    **dict.fromkeys((*_NUMBERS, *_TEXTS), _as_is),
    "NONE": lambda _: None,
    "NEWTRUE": lambda _: True,
    "NEWFALSE": lambda _: False,
    "EMPTY_LIST": lambda _: [],
    "EMPTY_DICT": lambda _: {},
    "EMPTY_TUPLE": lambda _: (),
    "EMPTY_SET": lambda _: set(),
    "MARK": lambda _: _MARK,
    "GLOBAL": _name,
}
_STEPS: dict[str, Callable[[_Machine, Any], Any]] = {
    "PUT": lambda m, key: m.put(int(key)),
    "BINPUT": lambda m, key: m.put(key),
    "LONG_BINPUT": lambda m, key: m.put(key),
    "MEMOIZE": lambda m, _: m.put(len(m.memo)),
    "GET": lambda m, key: m.stack.append(m.memo[int(key)]),
    "BINGET": lambda m, key: m.stack.append(m.memo[key]),
    "LONG_BINGET": lambda m, key: m.stack.append(m.memo[key]),
    "POP": lambda m, _: m.stack.pop(),
    "POP_MARK": lambda m, _: m.since_mark(),
    "DUP": lambda m, _: m.stack.append(m.stack[-1]),
    "TUPLE": lambda m, _: m.stack.append(tuple(m.since_mark())),
    "TUPLE1": _tuple_of(1),
    "TUPLE2": _tuple_of(2),
    "TUPLE3": _tuple_of(3),
    "LIST": lambda m, _: m.stack.append(m.since_mark()),
    "DICT": lambda m, _: m.stack.append(_paired(m.since_mark())),
    "FROZENSET": lambda m, _: m.stack.append(frozenset(m.since_mark())),
    "APPEND": lambda m, _: m.add_items(m.last(1)),
    "APPENDS": lambda m, _: m.add_items(m.since_mark()),
    "ADDITEMS": lambda m, _: m.add_items(m.since_mark()),
    "SETITEM": lambda m, _: m.set_items(m.last(2)),
    "SETITEMS": lambda m, _: m.set_items(m.since_mark()),
    "STACK_GLOBAL": lambda m, _: m.stack.append(Name(".".join(m.last(2)))),
    "BINPERSID": lambda m, _: m.refer(*m.last(1)),
    "REDUCE": lambda m, _: m.call(*m.last(2)),
    "NEWOBJ": lambda m, _: m.call(*m.last(2)),
    # The state of an object that is not built; of a dict its attributes, such as `_metadata`.
    "BUILD": lambda m, _: m.last(1),
}


def _paired(values: list[Any]) -> dict[Any, Any]:
    return dict(zip(values[::2], values[1::2], strict=True))
