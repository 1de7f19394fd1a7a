"""Colours of plots (Okabe-Ito), suited to all common colour blindness, with markers for black-and-white print."""
from ..structures.skeleton import LEFT_COLOR, MIDDLE_COLOR, RIGHT_COLOR

BLUE, VERMILION, GREY = ('#{:02x}{:02x}{:02x}'.format(*color) for color in (LEFT_COLOR, RIGHT_COLOR, MIDDLE_COLOR))
GREEN, PURPLE, ORANGE, SKY = '#009e73', '#cc79a7', '#e69f00', '#56b4e9'
STYLES = ((BLUE, 'o'), (VERMILION, 's'), (GREEN, '^'), (PURPLE, 'D'), (ORANGE, 'v'), (SKY, 'P'))
