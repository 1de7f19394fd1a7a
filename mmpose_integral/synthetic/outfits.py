"""Clothes, skin and hair. Colours are BGR, 0-255."""
import colorsys
from typing import NamedTuple

import numpy as np

CHEST_STYLES = ('print', 'jacket', 'buttons', 'stripes', 'plain')
HAIR_STYLES = ('short', 'long', 'cap', 'bald', 'bun')

_SKIN = np.array([(168, 196, 236), (140, 172, 222), (118, 150, 205), (92, 126, 186), (66, 96, 152), (46, 68, 112)],
                 float)
_HAIR = np.array([(24, 22, 24), (28, 38, 58), (40, 62, 98), (70, 112, 160), (110, 160, 200), (150, 150, 155)], float)


class Outfit(NamedTuple):
    """What a person wears and looks like."""
    skin: np.ndarray
    hair: np.ndarray
    hair_style: str
    shirt: np.ndarray
    second: np.ndarray                  # print, shirt under the jacket, buttons, stripes
    chest_style: str
    sleeve: str                         # none, short, elbow, long
    trousers: np.ndarray
    trouser: str                        # short, knee, long
    shoe: np.ndarray
    back: np.ndarray                    # back of shirt and trousers; None for the colour in front
    sock: np.ndarray                    # knee-high socks; None for short ones
    watch: bool                         # on the left wrist, as most people wear it


def _bgr(hue, saturation, value):
    return np.array(colorsys.hsv_to_rgb(hue, saturation, value)[::-1]) * 255


# The studio's wardrobes are sports kits, dark behind, with sleeves to the elbow and knee-high socks: front and back and
# a limb's parts can be told apart at a few pixels. (shirt, second colour, chest style, trousers, shoe, back, sock).
_CHARCOAL, _NAVY = (34, 30, 30), (48, 32, 26)
_STUDIO = (
    ((172, 96, 58), (228, 232, 236), 'print', (92, 74, 66), (40, 40, 44), _CHARCOAL, (236, 236, 234)),
    ((70, 150, 214), (60, 70, 84), 'jacket', (150, 112, 70), (200, 205, 210), _CHARCOAL, (228, 234, 238)),
    ((92, 160, 96), (36, 52, 40), 'buttons', (60, 96, 122), (48, 62, 96), _CHARCOAL, (236, 236, 234)),
    ((214, 218, 222), (70, 62, 150), 'stripes', (72, 66, 120), (70, 90, 120), _CHARCOAL, (228, 234, 238)),
    ((60, 60, 178), (220, 226, 230), 'print', (100, 88, 80), (215, 215, 215), _NAVY, (180, 226, 236)),
    ((176, 156, 120), (60, 70, 160), 'jacket', (84, 92, 60), (50, 50, 54), _NAVY, (232, 214, 190)))
_STUDIO_POOL = dict(train=(0, 1, 2, 3), val=(0, 4, 3), test=(1, 5, 2))


def studio_outfit(subject, split, rank):
    """What a person of the H80K part wears: always the same.

    Train has four wardrobes; val and test share two of them and bring one of their own each.

    Args:
        subject (int): number over all splits; picks skin and hair.
        split (str): 'train', 'val' or 'test'.
        rank (int): number within the split.

    Returns:
        Outfit: the clothes.
    """
    pool = _STUDIO_POOL[split]
    shirt, second, style, trousers, shoe, back, sock = (
        np.array(item, float) if isinstance(item, tuple) else item for item in _STUDIO[pool[rank % len(pool)]])
    looks = ('short', 'long', 'short', 'bun', 'short', 'long', 'bun', 'short', 'long', 'short', 'cap', 'bun')
    return Outfit(_SKIN[(0, 2, 4, 1, 3, 0, 1, 3, 2, 4, 0, 2)[subject % 12]],
                  _HAIR[(1, 2, 0, 3, 0, 1, 0, 2, 1, 0, 2, 3)[subject % 12]], looks[subject % 12],
                  shirt, second, style, 'elbow', trousers, 'long', shoe, back, sock, subject % 2 == 0)


def random_outfit(rng):
    """Any clothes at all, for the wild parts; most have a dark back, and long socks, as in the studio."""
    skin = _SKIN[rng.integers(len(_SKIN))] * rng.uniform(0.92, 1.06)
    hair = _HAIR[rng.integers(len(_HAIR))] * rng.uniform(0.8, 1.15)
    shirt = _bgr(rng.random(), rng.uniform(0.05, 0.85), rng.uniform(0.35, 0.95))
    second = _bgr(rng.random(), rng.uniform(0.0, 0.8), rng.uniform(0.2, 1.0))
    if np.abs(second - shirt).sum() < 150:      # a print that nobody sees is none
        second = np.where(shirt.mean() > 128, 40.0, 225.0) + rng.uniform(-20, 20, 3)
    trousers = _bgr(rng.random(), rng.uniform(0.05, 0.6), rng.uniform(0.15, 0.8))
    shoe = _bgr(rng.random(), rng.uniform(0.0, 0.6), rng.uniform(0.15, 0.9))
    back = _bgr(rng.random(), rng.uniform(0.0, 0.4), rng.uniform(0.08, 0.2)) if rng.random() < 0.8 else None
    sock = _bgr(rng.random(), rng.uniform(0.0, 0.3), rng.uniform(0.7, 0.98)) if rng.random() < 0.7 else None
    return Outfit(np.clip(skin, 0, 255), np.clip(hair, 0, 255),
                  str(rng.choice(HAIR_STYLES, p=(0.4, 0.22, 0.14, 0.08, 0.16))), shirt, second,
                  str(rng.choice(CHEST_STYLES, p=(0.3, 0.2, 0.2, 0.15, 0.15))),
                  str(rng.choice(('none', 'short', 'elbow', 'long'), p=(0.1, 0.25, 0.4, 0.25))), trousers,
                  str(rng.choice(('short', 'knee', 'long'), p=(0.15, 0.25, 0.6))), shoe, back, sock,
                  bool(rng.random() < 0.5))
