"""Colours (Okabe-Ito), suited to all common colour blindness; those of plots have markers for black-and-white print."""
from ..structures.skeleton import LEFT_COLOR, MIDDLE_COLOR, RIGHT_COLOR

SIDE_COLORS = dict(left=LEFT_COLOR, middle=MIDDLE_COLOR, right=RIGHT_COLOR)
BLUE, GREY, VERMILION = ('#{:02x}{:02x}{:02x}'.format(*color) for color in SIDE_COLORS.values())
GREEN, PURPLE, ORANGE, SKY = '#009e73', '#cc79a7', '#e69f00', '#56b4e9'
STYLES = ((BLUE, 'o'), (VERMILION, 's'), (GREEN, '^'), (PURPLE, 'D'), (ORANGE, 'v'), (SKY, 'P'))
