"""Constructs of captured objects whose classes have methods of their own. See constructs.py."""



from __future__ import annotations

import re

from templates import Row

NAMES = re.compile(r"\b(missing|renamed|strange|pairs|degrees|settings|gauge|counter|defaults)\b")
"""Of the objects that PRELUDE makes."""

SIGNED = {
    "object: item": Row(1, "$[counter[$m]|defaults[$m]|missing[$m]|renamed[$m]|strange[$m]]"),
    "object: arithmetic": Row(1, "$[(degrees $[+|-|*] ($i & 0xffff))|(($i & 0xffff) $[+|-] degrees)]"),
    "object: attribute": Row(1, "$[(settings.$[low|high] + $i)|(gauge.$[double|level] ^ $i)|gauge($i & 0xffff)]"),
}

CONDITION = {
    "object: in": Row(1, "$m $[in|not in] $[renamed|strange|pairs|counter]"),
    "object: compared": Row(1, "$[degrees $[==|<|!=] $i|$i $[==|!=] degrees|bool($[gauge|degrees|missing])]"),
}

STATEMENT = {
    "object: in place": Row(2, "$[H[$m]|U[$m]|B[$j]|G.value|V.value.bytes|$x|$h] $[+|-|*|^]= $[degrees|degrees|gauge]"),
    "object: changed in place": Row(1, "@o = $[degrees|gauge]\n@o += $i\n$x = @o"),
}

PRELUDE = '''
class Missing(dict):
    def __missing__(self, key):
        return (key & 15) + 3

class Renamed(dict):
    def __getitem__(self, key):
        return (key & 0xffff) + 1

    def __contains__(self, key):
        return key > 3

class Strange(list):
    def __getitem__(self, index):
        return 7 + index

    def __contains__(self, item):
        return item & 1 == 1

    def __len__(self):
        return 9

class Pairs(tuple):
    def __contains__(self, item):
        return item > 2

class Degrees(int):
    def __add__(self, other):
        return other * 2 + 1

    def __radd__(self, other):
        return other * 3

    def __rsub__(self, other):
        return (other & 0xffff) - 3

    def __mul__(self, other):
        return other + 5

    def __eq__(self, other):
        return other & 1 == 0

    def __ne__(self, other):
        return other & 3 == 0

    def __lt__(self, other):
        return other < 0

    __hash__ = None

class Settings(dict):
    __getattr__ = dict.__getitem__

class Gauge:
    level = 5

    @property
    def double(self):
        return self.level * 2

    def __call__(self, more):
        return more + self.level

    def __getitem__(self, index):
        return index ^ self.level

    def __contains__(self, item):
        return item == self.level

    def __bool__(self):
        return False

    def __add__(self, other):
        return other ^ self.level

    __iadd__ = __add__

    def __radd__(self, other):
        return (other & 0xffff) + self.level

    __rsub__ = __rmul__ = __rxor__ = __radd__

missing = Missing({1: 10, 2: -3})
renamed = Renamed({1: 10, 2: -3})
strange = Strange([2, 3, 5])
pairs = Pairs((1, 2))
degrees = Degrees(20)
settings = Settings(low=3, high=900)
gauge = Gauge()
counter = collections.Counter({1: 3, 5: 70000})
defaults = collections.defaultdict(lambda: 7, {1: 2, 3: 900})
'''
