"""Read pickles without running anything in them: each call or object becomes a record of it.

A pickle is a program.  Here `pickletools` disassembles its instructions, and our own interpreter follows them without
importing or calling anything: a global becomes its name, a call a record of the name and the arguments, an object a
record of its state.  Work and memory are bounded by the length of the pickle and by `MAX_STEPS`.
"""

import pickletools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

from reslab.errors import ResLabError

MAX_STEPS = 5_000_000
"""Most instructions followed: about 20 s, and thirty times what the largest network and its optimiser need."""


class Source(Protocol):
    """What a pickle is read from: a file, io.BytesIO or mmap.  Left positioned after the pickle's end."""

    def read(self, size: int, /) -> bytes: ...
    def readline(self) -> bytes: ...
    def tell(self) -> int: ...


class PickleError(ResLabError):
    """The bytes are not a pickle, are damaged, or use something that no harmless pickle needs."""


@dataclass(frozen=True, slots=True)
class Name:
    """A global, as module.name; never imported."""

    text: str


@dataclass(slots=True, eq=False)
class Table:
    """A dict: its pairs in order.  Keys are not hashed, so that no key can be slow or unhashable."""

    pairs: list[tuple[Any, Any]] = field(default_factory=list)

    def named(self) -> dict[str, Any]:
        """Return the pairs whose key is text."""
        return {key: value for key, value in self.pairs if type(key) is str}


@dataclass(slots=True, eq=False)
class Record:
    """A call or an object: the callable or class, its arguments, and what was added afterwards."""

    maker: str
    arguments: Any = ()
    table: Table = field(default_factory=Table)
    elements: list[Any] = field(default_factory=list)
    state: Any = None


@dataclass(frozen=True, slots=True, eq=False)
class Persistent:
    """A reference to something stored outside the pickle."""

    key: Any


def read_pickle(source: Source, check: Callable[[str], object] = lambda _: None, max_steps: int = MAX_STEPS) -> Any:
    """Return the content of a pickle as plain values, lists, tuples, `Table`, `Record`, `Name` and `Persistent`.

    Python 2 strings become str of the same bytes (latin-1), sets become lists.  `check` is called with the name of each
    global and may raise.  Raises `PickleError`, which says what is wrong as a clause about "it".
    """
    machine = _Machine(check)
    try:
        for step, (opcode, argument, _) in enumerate(pickletools.genops(source)):  # type: ignore[arg-type]
            if step >= max_steps:
                raise PickleError(f"it has more than {max_steps:,} instructions")
            machine.follow(opcode.name, argument)
    except ResLabError:
        raise
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, MemoryError) as error:
        raise PickleError("it is damaged or cut off") from error
    return machine.result()


class _Mark:
    """Where a group of values begins on the stack."""


_MARK = _Mark()


class _Machine:
    def __init__(self, check: Callable[[str], object]) -> None:
        self._check = check
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}

    def result(self) -> Any:
        if len(self._stack) != 1 or self._stack[0] is _MARK:
            raise PickleError("it is damaged or cut off")
        return self._stack[0]

    def follow(self, name: str, argument: Any) -> None:
        stack = self._stack
        if name in _PUSH_ARGUMENT:
            stack.append(argument)
        elif name in _CONSTANTS:
            stack.append(_CONSTANTS[name]())
        elif name in _PUTS:
            self._memo[argument] = self._top()
        elif name in _GETS:
            stack.append(self._memo[argument])
        elif name != "STOP" and name not in _NOTHING:
            handler = _HANDLERS.get(name)
            if handler is None:
                raise PickleError(f"it has the instruction {name}, which no file of weights or images needs")
            handler(self, argument)

    def _top(self) -> Any:
        top = self._stack[-1]
        if top is _MARK:
            raise PickleError("it is damaged or cut off")
        return top

    def _pop(self) -> Any:
        top = self._top()
        self._stack.pop()
        return top

    def _pop_group(self) -> list[Any]:
        stack = self._stack
        place = len(stack) - 1
        while stack[place] is not _MARK:
            place -= 1
            if place < 0:
                raise PickleError("it is damaged or cut off")
        group = stack[place + 1 :]
        del stack[place:]
        return group

    def memoise(self, _: Any) -> None:
        self._memo[len(self._memo)] = self._top()

    def pop(self, _: Any) -> None:
        self._stack.pop()

    def pop_mark(self, _: Any) -> None:
        self._pop_group()

    def duplicate(self, _: Any) -> None:
        self._stack.append(self._top())

    def tuple_of(self, count: int) -> None:
        values = [self._pop() for _ in range(count)]
        self._stack.append(tuple(reversed(values)))

    def tuple_(self, _: Any) -> None:
        self._stack.append(tuple(self._pop_group()))

    def list_(self, _: Any) -> None:
        self._stack.append(self._pop_group())

    def dict_(self, _: Any) -> None:
        self._stack.append(Table(list(_pairs(self._pop_group()))))

    def append(self, _: Any) -> None:
        value = self._pop()
        self._elements().append(value)

    def extend(self, _: Any) -> None:
        values = self._pop_group()
        self._elements().extend(values)

    def set_item(self, _: Any) -> None:
        value, key = self._pop(), self._pop()
        self._pairs().append((key, value))

    def set_items(self, _: Any) -> None:
        values = self._pop_group()
        self._pairs().extend(_pairs(values))

    def global_(self, argument: Any) -> None:
        self._stack.append(self._name(*argument.split(" ", 1)))

    def stack_global(self, _: Any) -> None:
        name, module = self._pop(), self._pop()
        if type(name) is not str or type(module) is not str:
            raise PickleError("it is damaged: the name of a global is not text")
        self._stack.append(self._name(module, name))

    def reduce(self, _: Any) -> None:
        arguments, maker = self._pop(), self._pop()
        self._stack.append(Record(_text(maker), arguments))

    def new_with_keywords(self, _: Any) -> None:
        keywords, arguments, maker = self._pop(), self._pop(), self._pop()
        self._stack.append(Record(_text(maker), (*_as_tuple(arguments), keywords)))

    def instance(self, argument: Any) -> None:
        maker = self._name(*argument.split(" ", 1))
        self._stack.append(Record(maker.text, tuple(self._pop_group())))

    def object_(self, _: Any) -> None:
        maker, *arguments = self._pop_group()
        self._stack.append(Record(_text(maker), tuple(arguments)))

    def build(self, _: Any) -> None:
        state = self._pop()
        made = self._top()
        if not isinstance(made, Record):
            raise PickleError("it is damaged: it sets the state of something that has none")
        made.state = state

    def persistent(self, argument: Any) -> None:
        self._stack.append(Persistent(argument))

    def persistent_from_stack(self, _: Any) -> None:
        self._stack.append(Persistent(self._pop()))

    def _name(self, module: str, name: str) -> Name:
        text = f"{module}.{name}"
        self._check(text)
        return Name(text)

    def _elements(self) -> list[Any]:
        target = self._top()
        if isinstance(target, Record):
            return target.elements
        if type(target) is not list:
            raise PickleError("it is damaged: it appends to something that is not a list")
        return target

    def _pairs(self) -> list[tuple[Any, Any]]:
        target = self._top()
        table = target.table if isinstance(target, Record) else target
        if not isinstance(table, Table):
            raise PickleError("it is damaged: it sets an item of something that is not a dict")
        return table.pairs


def _pairs(values: list[Any]) -> Iterator[tuple[Any, Any]]:
    return zip(values[::2], values[1::2], strict=True)


def _text(maker: Any) -> str:
    if isinstance(maker, Persistent) and type(maker.key) is tuple:  # torch once kept classes outside, with their source
        maker = next((part for part in maker.key if isinstance(part, Name)), maker)
    return maker.text if isinstance(maker, Name) else "something that is not a name"


def _as_tuple(value: Any) -> tuple[Any, ...]:
    return value if type(value) is tuple else (value,)


_PUSH_ARGUMENT = frozenset(
    """INT BININT BININT1 BININT2 LONG LONG1 LONG4 STRING BINSTRING SHORT_BINSTRING BINBYTES SHORT_BINBYTES BINBYTES8
    BYTEARRAY8 UNICODE SHORT_BINUNICODE BINUNICODE BINUNICODE8 FLOAT BINFLOAT""".split()  # noqa: SIM905
)
_PUTS = frozenset(("PUT", "BINPUT", "LONG_BINPUT"))
_GETS = frozenset(("GET", "BINGET", "LONG_BINGET"))
_NOTHING = frozenset(("PROTO", "FRAME"))
_CONSTANTS: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_LIST": list,
    "EMPTY_SET": list,
    "EMPTY_TUPLE": tuple,
    "EMPTY_DICT": Table,
    "MARK": lambda: _MARK,
}
_HANDLERS: dict[str, Callable[[_Machine, Any], None]] = {
    "MEMOIZE": _Machine.memoise,
    "POP": _Machine.pop,
    "POP_MARK": _Machine.pop_mark,
    "DUP": _Machine.duplicate,
    "TUPLE1": lambda machine, _: machine.tuple_of(1),
    "TUPLE2": lambda machine, _: machine.tuple_of(2),
    "TUPLE3": lambda machine, _: machine.tuple_of(3),
    "TUPLE": _Machine.tuple_,
    "LIST": _Machine.list_,
    "DICT": _Machine.dict_,
    "FROZENSET": _Machine.list_,
    "APPEND": _Machine.append,
    "APPENDS": _Machine.extend,
    "ADDITEMS": _Machine.extend,
    "SETITEM": _Machine.set_item,
    "SETITEMS": _Machine.set_items,
    "GLOBAL": _Machine.global_,
    "STACK_GLOBAL": _Machine.stack_global,
    "REDUCE": _Machine.reduce,
    "NEWOBJ": _Machine.reduce,
    "NEWOBJ_EX": _Machine.new_with_keywords,
    "INST": _Machine.instance,
    "OBJ": _Machine.object_,
    "BUILD": _Machine.build,
    "PERSID": _Machine.persistent,
    "BINPERSID": _Machine.persistent_from_stack,
}
