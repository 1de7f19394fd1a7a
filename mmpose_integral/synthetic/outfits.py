"""Clothes, skin and hair. Colours are BGR, 0-255."""
from typing import NamedTuple

import numpy as np

from .clutter import random_color

_CHEST_STYLES = ('print', 'jacket', 'buttons', 'stripes', 'plain')
_HAIR_STYLES = ('short', 'long', 'cap', 'bald', 'bun')
_SKIN = np.array([(168, 196, 236), (140, 172, 222), (118, 150, 205), (92, 126, 186), (66, 96, 152), (46, 68, 112)],
                 float)
_HAIR = np.array([(24, 22, 24), (28, 38, 58), (40, 62, 98), (70, 112, 160), (110, 160, 200), (150, 150, 155)], float)


class Outfit(NamedTuple):
    """Clothes and looks of a person."""
    skin: np.ndarray
    hair: np.ndarray
    hair_style: str
    shirt: np.ndarray
    second: np.ndarray  # colour of the print, of the shirt under the jacket, of the buttons or of the stripes
    chest_style: str
    sleeve: str  # none, short, elbow, long
    trousers: np.ndarray
    trouser: str  # short, knee, long
    shoe: np.ndarray
    back: np.ndarray | None  # colour of shirt and trousers behind; None for the colour in front
    sock: np.ndarray | None  # colour of knee-high socks; None for short ones
    watch: bool  # on the left wrist, where most people wear it


# The clothes of the studio's twelve people: (sleeve, trouser), (shirt, second, chest style), (trousers, shoe, back,
# sock). As in Human3.6M, each person has clothes of another colour and cut, so that Val and Test show no clothes of
# Train. Most are dark behind, with knee-high socks. Front and back and the parts of a leg thus differ at a few pixels.
_CHARCOAL, _NAVY = (34, 30, 30), (48, 32, 26)
_STUDIO_CLOTHES = (
    (('elbow', 'long'), ((172, 96, 58), (228, 232, 236), 'print'),
     ((92, 74, 66), (40, 40, 44), _CHARCOAL, (236, 236, 234))),
    (('elbow', 'long'), ((70, 150, 214), (60, 70, 84), 'jacket'),
     ((150, 112, 70), (200, 205, 210), _CHARCOAL, (228, 234, 238))),
    (('short', 'long'), ((92, 160, 96), (36, 52, 40), 'buttons'),
     ((60, 96, 122), (48, 62, 96), _CHARCOAL, (236, 236, 234))),
    (('elbow', 'long'), ((214, 218, 222), (70, 62, 150), 'stripes'),
     ((72, 66, 120), (70, 90, 120), _CHARCOAL, (228, 234, 238))),
    (('elbow', 'long'), ((120, 84, 150), (214, 220, 224), 'plain'),
     ((70, 100, 84), (44, 46, 52), _NAVY, None)),
    (('short', 'long'), ((84, 196, 206), (48, 44, 60), 'print'),
     ((112, 82, 52), (208, 212, 216), _NAVY, (236, 230, 222))),
    (('none', 'short'), ((60, 60, 178), (220, 226, 230), 'print'),
     ((100, 88, 80), (215, 215, 215), _NAVY, None)),
    (('long', 'long'), ((196, 190, 148), (52, 58, 66), 'buttons'),
     ((58, 72, 142), (56, 60, 66), _CHARCOAL, None)),
    (('short', 'knee'), ((112, 122, 48), (226, 228, 220), 'stripes'),
     ((134, 120, 104), (60, 84, 112), None, (226, 236, 230))),
    (('long', 'knee'), ((176, 156, 120), (60, 70, 160), 'jacket'),
     ((84, 92, 60), (50, 50, 54), _NAVY, (232, 214, 190))),
    (('none', 'long'), ((150, 112, 216), (64, 58, 70), 'buttons'),
     ((104, 70, 70), (212, 214, 210), None, None)),
    (('short', 'short'), ((66, 122, 130), (210, 222, 226), 'stripes'),
     ((148, 128, 92), (46, 50, 58), _CHARCOAL, (220, 224, 234))))
# Skin, hair colour and hair style of each of the twelve people.
_STUDIO_LOOKS = ((0, 1, 'short'), (2, 2, 'long'), (4, 0, 'short'), (1, 3, 'bun'), (3, 0, 'short'), (0, 1, 'long'),
                 (1, 0, 'bun'), (3, 2, 'short'), (2, 1, 'long'), (4, 0, 'short'), (0, 2, 'cap'), (2, 3, 'bun'))


def studio_outfit(subject: int) -> Outfit:
    """Outfit of one of the twelve people of the H80K part, the same in every frame.

    Args:
        subject: Number of the person over all splits.
    """
    (sleeve, trouser), (shirt, second, style), (trousers, shoe, back, sock) = _STUDIO_CLOTHES[subject]
    skin, hair, hair_style = _STUDIO_LOOKS[subject]
    return Outfit(
        _SKIN[skin], _HAIR[hair], hair_style, np.array(shirt, float), np.array(second, float), style, sleeve,
        np.array(trousers, float), trouser, np.array(shoe, float), None if back is None else np.array(back, float),
        None if sock is None else np.array(sock, float), subject % 2 == 0)


def random_outfit(rng: np.random.Generator) -> Outfit:
    """Outfit of a person of the MPII and COCO parts; most have a dark back and long socks, as in the studio."""
    skin = _SKIN[rng.integers(len(_SKIN))] * rng.uniform(0.92, 1.06)
    hair = _HAIR[rng.integers(len(_HAIR))] * rng.uniform(0.8, 1.15)
    shirt = random_color(rng, (0.35, 0.95), (0.05, 0.85))
    second = random_color(rng, (0.2, 1.0), (0.0, 0.8))
    if np.abs(second - shirt).sum() < 150:  # too similar to be seen on the shirt
        second = np.where(shirt.mean() > 128, 40.0, 225.0) + rng.uniform(-20, 20, 3)
    trousers = random_color(rng, (0.15, 0.8), (0.05, 0.6))
    shoe = random_color(rng, (0.15, 0.9), (0.0, 0.6))
    back = random_color(rng, (0.08, 0.2), (0.0, 0.4)) if rng.random() < 0.8 else None
    sock = random_color(rng, (0.7, 0.98), (0.0, 0.3)) if rng.random() < 0.7 else None
    return Outfit(np.clip(skin, 0, 255), np.clip(hair, 0, 255),
                  str(rng.choice(_HAIR_STYLES, p=(0.4, 0.22, 0.14, 0.08, 0.16))), shirt, second,
                  str(rng.choice(_CHEST_STYLES, p=(0.3, 0.2, 0.2, 0.15, 0.15))),
                  str(rng.choice(('none', 'short', 'elbow', 'long'), p=(0.1, 0.25, 0.4, 0.25))), trousers,
                  str(rng.choice(('short', 'knee', 'long'), p=(0.15, 0.25, 0.6))), shoe, back, sock,
                  bool(rng.random() < 0.5))
