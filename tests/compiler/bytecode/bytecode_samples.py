"""Functions of every kind that can be compiled, each with the arguments that it is run on."""

# ruff: noqa: C416, E731, UP031  what users write, however it might be improved

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

SAMPLES: list[tuple[Callable[..., Any], list[tuple[Any, ...]]]] = []
NUMBERS = [(a, b) for a in (-3, 0, 1, 7) for b in (-2, 0, 1, 5)]
LIMIT = 3


def on(*arguments: tuple[Any, ...]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def note(function: Callable[..., Any]) -> Callable[..., Any]:
        SAMPLES.append((function, list(arguments)))
        return function

    return note


class Point:
    __match_args__ = ("x", "y")

    def __init__(self, x: Any, y: Any) -> None:
        self.x = x
        self.y = y

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Point) and (self.x, self.y) == (other.x, other.y)

    def total(self, *more: Any, scale: Any = 1) -> Any:
        return (self.x + self.y + sum(more)) * scale


@on((1,), (0,), (-1,))
def constant(a):
    return 12345678901


@on(*NUMBERS)
def arithmetic(a, b):
    c = a + b - 2 * a
    c ^= a | b & 12
    c <<= 2
    return -c + (~a >> 1) + +b, c // 3 % 5, a**2, a / 2, not b


@on(*NUMBERS)
def division(a, b):
    c = a // b
    c %= b
    c //= 2
    c **= 2
    c -= 1
    c *= 3
    c |= 4
    c &= 255
    c >>= 1
    return c


@on(*NUMBERS)
def if_else(a, b):
    if a > b:
        c = 1
    elif a == b:
        c = 2
    else:
        c = 3
    if a:
        pass
    return c


@on(*NUMBERS)
def chained(a, b):
    return a < b <= 5 != a, -3 <= a < b, (a if 0 < a < 5 else b)


@on(*NUMBERS)
def and_or(a, b):
    x = (a and b) or a
    y = (a or b) and not (a and b)
    if (a and b) or (b and not a) or a == 7:
        x += 1
    if not (a or b):
        return 99
    return x, y, a and (b or 3) and a + b


@on(*NUMBERS)
def none_tests(a, b):
    x = None if a > 0 else a
    if x is None:
        return b
    y = b if b else None
    while y is not None:
        y = None if y >= 3 else y + 1
    return x is not None, y is None


@on(*NUMBERS)
def while_else(a, b):
    n = 0
    while a < 10 and n < 5:
        a += 2
        n += 1
        if a == b:
            break
        if a % 3 == 0:
            continue
        n += a
    else:
        n = -n
    return a, n


@on(*NUMBERS)
def endless(a, b):
    while True:
        a += 1
        if a > b:
            if a % 2:
                return a
            while True:
                b += 1
                if b > a + 1:
                    break


@on(*NUMBERS)
def loops(a, b):
    total = 0
    for i in range(4):
        for j in range(i):
            if j == a:
                break
            if i == b:
                continue
            total += i * j
            for k in (1, 2, 3):
                if k == a:
                    return total, k
                if k == b:
                    break
            else:
                total += 100
        else:
            total -= 1
    return total, i


@on(*NUMBERS)
def return_from_loops(a, b):
    for i in range(5):
        for j in range(3):
            if i == a:
                return i + j
            if j == b:
                return (i, j)
        if i == b:
            return
    return None


@on((3,), (0,))
def loop_without_body(n):
    for i in range(n):
        pass
    while n:
        n -= 1
    return n


@on(([3, 1, 2],), ([],))
def listcomp(items):
    i = 5
    return [i * 2 for i in items if i > 1], i


@on(([3, 1, 2],), ([],))
def comprehensions(items):
    a = [[x + y for x in range(y)] for y in items]
    b = {x: x * 2 for x in items if x}
    c = {x % 2 for x in items}
    d = [x for x in items for y in range(x) if y]
    e = {k: v for k in items for v in range(k)}
    return a, b, c, d, e


@on(([3, 1, 2],), ([],))
def unset_before_comprehension(items):
    if items:
        y = [x for x in items]
        return y, x
    return x


x = "the module's"


@on(([3, 1, 2],), ([],))
def generator_arguments(items):
    return sum(x for x in items), any(x > 2 for x in items), all(x for x in items), tuple(x for x in items)


@on((3,), (1,))
def closures_in_comprehensions(n):
    k = [lambda: i + n for i in range(n)]
    i = 10
    return [f() for f in k], i


@on((3,), (1,))
def cell_shadowed_by_comprehension(x):
    before = lambda: x
    a = [(lambda: x) for x in range(x)]
    return x, before(), [f() for f in a]


@on((3,), (-1,))
def closure(n):
    def inner(k, m=2, *, p=n):
        nonlocal n
        n += k
        return n * m + p

    return inner(1), inner(2, 3), inner(k=4, p=0), n


@on((3,), (-1,))
def lambdas(n):
    f = lambda a, /, b=2, *c, d=4, **e: (a, b, c, d, e, n)
    return f(1), f(1, 2, 3, d=5, z=6), f(*[1, 2, 3], **{"d": 1})


@on((3,), (0,))
def delete_cells(n):
    def get():
        return n

    if n:
        del n
        return get()
    return get()


@on((3,), (0,))
def delete_locals(n):
    m = n
    if n:
        del m
    return m


@on(([1, 2, 3],), ([],))
def delete_items(items):
    del items[0]
    del items[0:1]
    return items


@on((Point(1, 2), 3), (Point(0, 0), -1))
def attributes(p, n):
    p.x = n
    p.x += 2
    p.y *= p.x
    p.z = p
    p.z.x -= 1
    q = p.z.z
    del p.z
    return q.x, q.y, hasattr(p, "z")


@on(([1, 2, 3], 0), ([5, 6, 7], 2), ([], 0))
def subscripts(items, n):
    items[n] += 1
    items[n], items[0] = items[0], items[n] * 2
    items[-1] -= items[n]
    table = {"a": {}}
    table["a"][n] = 1
    table["a"][n] <<= 3
    return items, table


@on((list(range(8)), 2, 5), (list(range(3)), 0, -1))
def slices(items, a, b):
    items[a:b] = [9, 9]
    items[a:b] += [7]
    items[::2] = items[::2][::-1]
    items[1:2] = [4, 5]
    items[1:] *= 2
    return items[a:b], items[:a], items[b:], items[1:3], items[a:b:2], items[:]


@on((Point(1, 2),), (Point(-1, 5),))
def methods(p):
    f = p.total
    return (
        p.total(),
        p.total(1, 2, scale=3),
        f(*[1, 2]),
        f(4, scale=2),
        p.total(*(1,), **{"scale": 2}),
        str(p.x).zfill(3),
    )


@on((1, 2), (0, 0))
def calls(a, b):
    args = [a, b]
    return (
        max(a, b),
        max(*args),
        dict(x=a, **{"y": b}),
        dict(**{"p": 1}, q=a),
        print(end=""),
        int("12", base=8),
        max(a, *args, key=abs),
    )


@on((1, 2), (0, 0))
def twice_the_keyword(a, b):
    return dict(**{"a": a}, **{"a": b})


@on((255, 8), (-1, 5), (3, 20))
def fstrings(a, b):
    return f"{a}-{b!r:>{b}}|{a:04x}|{'x'!r:>6}|{a!s}|{b!a:{'>'}{a % 9 + 1}}{a}" + f"{a}" + f"{a=}" + "%d %s" % (a, b)


@on(*NUMBERS)
def walrus(a, b):
    if (c := a + b) > 2 and (d := c * 2):
        return c, d, [e := c, e + 1]
    while (a := a - 1) > -5:
        b += a
    return c, b, a


@on(*NUMBERS)
def asserts(a, b):
    assert a < 7, f"{a} is large"
    assert b != 5
    return a


@on(*NUMBERS)
def raises(a, b):
    if a > 1:
        raise ValueError(a)
    if b > 1:
        raise KeyError from ValueError(b)
    if a == b:
        raise IndexError
    if b == -2:
        raise
    return b


@on(((1, 2), [3, 4, 5]), ((1, 2), [3]), ((1,), [1, 2]))
def unpacking(pair, items):
    a, b = pair
    first, *middle, last = items
    *most, final = items
    c = d = a
    a, b = b, a
    a, b, c = c, a, b
    (x, y), z = (a, b), [c, d]
    return (
        a,
        b,
        c,
        d,
        first,
        middle,
        last,
        most,
        final,
        x,
        y,
        z,
        (*pair, *items),
        [*pair, 0, *items],
        {*pair},
        {**{1: 2}, 3: 4},
    )


@on(
    *[
        (v,)
        for v in (
            0,
            1,
            2,
            3,
            None,
            True,
            "a",
            "bc",
            (),
            (1,),
            [1, 2],
            (1, [2, 3]),
            (1, 2, 3, 4),
            {"k": 1},
            {"k": 2, "j": 3},
            {},
            Point(1, 2),
            Point(0, 9),
            2.5,
            b"x",
        )
    ]
)
def matching(v):
    match v:
        case None | True:
            return "singleton"
        case 0:
            return "zero"
        case 1 | 2 as small:
            return "small", small
        case "a":
            return "letter"
        case [] | [1]:
            return "short"
        case [1, [a, b]] | [a, b]:
            return "pairs", a, b
        case [first, *rest] if first == 1:
            return "many", first, rest
        case {"k": 1}:
            return "map"
        case {"k": value, **others}:
            return "map", value, others
        case Point(1, y=why):
            return "point", why
        case Point(x=0) | Point(y=0):
            return "axis"
        case int(number) | float(number):
            return "number", number
        case SimpleNamespace():
            return "namespace"
        case _:
            return "other"


@on((5,), (LIMIT,))
def global_names(n):
    global written
    written = n
    return written + LIMIT, min(n, 4)


@on((5,))
def unknown_global(n):
    return does_not_exist  # noqa: F821


@on((1, 2, 3), (1,))
def star_arguments(*args, **kwargs):
    return args, kwargs, len(args)


@on(([1, 2],), ("ab",), ({},))
def membership(items):
    return 1 in items if isinstance(items, list) else "a" not in items, items is items, items is not None


@on((3,), (0,))
def recursion(n):
    def down(k):
        return 1 if k <= 0 else k * down(k - 1)

    return down(n)


@on((2,), (40,))
def many_names(n):
    c = 1
    a0 = a1 = a2 = a3 = a4 = a5 = a6 = a7 = a8 = a9 = b0 = b1 = b2 = b3 = b4 = b5 = b6 = b7 = n
    for i in range(n):
        a1, b7 = b7 + i, a1 - b6
        if a1 > 70 and b7 < 1000 and i % 2 == 0:
            c += a0 + a1 + a2 + a3 + a4 + a5 + a6 + a7 + a8 + a9 + b0 + b1 + b2 + b3 + b4 + b5 + b6 + b7
        elif a1 < -70:
            c += a0 * a1 * a2 * a3 * a4 * a5 * a6 * a7 * a8 * a9 * b0 * b1 * b2 * b3 * b4 * b5 * b6 * b7
        else:
            c -= a0 - a1 - a2 - a3 - a4 - a5 - a6 - a7 - a8 - a9 - b0 - b1 - b2 - b3 - b4 - b5 - b6 - b7
            c ^= a0 ^ a1 ^ a2 ^ a3 ^ a4 ^ a5 ^ a6 ^ a7 ^ a8 ^ a9 ^ b0 ^ b1 ^ b2 ^ b3 ^ b4 ^ b5 ^ b6 ^ b7
            c |= a0 | a1 | a2 | a3 | a4 | a5 | a6 | a7 | a8 | a9 | b0 | b1 | b2 | b3 | b4 | b5 | b6 | b7
    return c


class Base:
    def name(self, n):
        return n, "base"


class Derived(Base):
    def name(self, n):
        return super().name(n), super().name(n), "derived"


@on((2,))
def zero_argument_super(n):
    return Derived().name(n)


class Noting:
    """A context manager that tells when it is entered and left."""

    def __init__(self, notes: list[Any], name: Any) -> None:
        self.notes = notes
        self.name = name

    def __enter__(self) -> Any:
        self.notes.append(self.name)
        return self.name

    def __exit__(self, *reason: Any) -> None:
        self.notes.append((self.name, reason))


@on(*NUMBERS)
def with_statements(a, b):
    notes = []
    with Noting(notes, a) as x:
        notes.append(x + b)
    with Noting(notes, 1), Noting(notes, 2) as second:
        notes.append((lambda *args: len(args))(None, None, None))
        notes.append(second)
    return notes


@on(([1, 2, 3, 4],), ([],), ([4],))
def ways_out_of_with(items):
    notes = []
    for i in items:
        with Noting(notes, i):
            if i == 1:
                continue
            for j in (7, 8):
                with Noting(notes, j) as inner:
                    if i == 2:
                        break
                    if i == 3:
                        notes.append(inner)
            if i == 4:
                return notes, inner, i + 1
    return notes


@on((0,), (1,))
def return_from_withs(a):
    notes = []

    def inner():
        for i in (5, 6):
            with Noting(notes, a) as x, Noting(notes, i):
                for j in range(3):
                    with Noting(notes, "deep"):
                        if j == 1 and a:
                            return x + i + j
        return None

    return inner(), notes


SAMPLES.append((Derived.name, [(Derived(), 1)]))
