"""The studio of the H80K part: one room seen by four fixed cameras.

The room is a box, world mm, z up. The background of each camera is drawn once, wider than a frame. The exact view of a
camera that is turned a little is a homography of it, because a pure rotation has no parallax.
"""
import functools

import cv2
import numpy as np

from .camera import Camera, studio_camera

_HALF_X, _HALF_Y, _HEIGHT = 4700.0, 3500.0, 2850.0
_MARGIN = 1.14  # width of a background, in frames


def studio_background(camera: Camera, index: int, image_size: int) -> np.ndarray:
    """The empty studio as the fixed camera ``index`` sees it after its jitter, square uint8 BGR."""
    wide, base = _wide_picture(index, image_size)
    turn = camera.rotation @ base.rotation.T
    to_ray = np.array([[1 / camera.focal, 0, -camera.center[0] / camera.focal],
                       [0, 1 / camera.focal, -camera.center[1] / camera.focal], [0, 0, 1]])
    return cv2.warpPerspective(wide, base.matrix @ turn.T @ to_ray, camera.size,
                               flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE)


@functools.lru_cache(maxsize=8)
def _wide_picture(index: int, image_size: int) -> tuple[np.ndarray, Camera]:
    """Background (uint8 BGR) with a margin around the frame, and its camera."""
    side = int(round(image_size * _MARGIN))
    camera = studio_camera(index, image_size)._replace(center=np.array([(side - 1) / 2] * 2), size=(side, side))
    grid = (np.arange(side) - camera.center[0]) / camera.focal
    rays = np.stack([*np.meshgrid(grid, grid), np.ones((side, side))], axis=-1) @ camera.rotation
    picture = np.zeros((side, side, 3), np.float32)
    with np.errstate(divide='ignore', invalid='ignore'):
        walls = np.stack([np.where(rays[..., k] > 0, (high - camera.position[k]) / rays[..., k],
                                   (low - camera.position[k]) / rays[..., k])
                          for k, (low, high) in enumerate(((-_HALF_X, _HALF_X), (-_HALF_Y, _HALF_Y), (0, _HEIGHT)))])
    wall = walls.argmin(0)
    points = camera.position + rays * np.take_along_axis(walls, wall[None], 0)[0][..., None]
    floor, ceiling = (wall == 2) & (rays[..., 2] < 0), (wall == 2) & (rays[..., 2] > 0)
    picture[floor] = _floor(points[floor])
    picture[ceiling] = _ceiling(points[ceiling])
    for number, (axis, sign) in enumerate(((0, 1), (0, -1), (1, 1), (1, -1))):
        chosen = (wall == axis) & (np.sign(rays[..., axis]) == sign)
        picture[chosen] = _wall(points[chosen][:, 1 - axis], points[chosen][:, 2], number)
    grain = np.random.default_rng(7).normal(0, 2.0, picture.shape[:2])[..., None]
    return cv2.GaussianBlur(np.clip(picture + grain, 0, 255).astype(np.uint8), (3, 3), 0.5), camera


def _inside(u: np.ndarray, v: np.ndarray, left: float, low: float, right: float, high: float) -> np.ndarray:
    return (u > left) & (u < right) & (v > low) & (v < high)


def _weave(u: np.ndarray, v: np.ndarray, scale: float) -> np.ndarray:
    """Deterministic unevenness in -1..1."""
    u, v = u / scale, v / scale
    return np.sin(u + 2.1 * np.sin(v / 1.7)) * np.sin(v * 1.13 + 1.7 * np.sin(u / 2.3))


def _floor(p: np.ndarray) -> np.ndarray:
    """Wooden floor, a blue-green mat in the middle, tape marks."""
    x, y = p[:, 0], p[:, 1]
    color = np.empty((len(p), 3), np.float32)
    plank = np.mod(np.floor(y / 160) * 37 + np.floor((x + np.floor(y / 160) * 431) / 1200) * 17, 7) / 7
    color[:] = np.array([92, 122, 152]) * (0.82 + 0.22 * plank)[:, None]
    color[np.mod(y, 160) < 6] *= 0.75
    mat = (np.abs(x) < 2600) & (np.abs(y) < 2250)
    color[mat] = np.array([96, 88, 70]) * (1 + 0.05 * _weave(x, y, 90.0) + 0.04 * _weave(y, x, 23.0))[mat, None]
    color[mat & ((np.abs(x) > 2520) | (np.abs(y) > 2170))] *= 0.7
    for u, v, across in ((1300, 900, 1), (-1200, 1100, 0), (-1400, -1000, 1), (1250, -1150, 0), (0, 1750, 0)):
        size = (150, 22) if across else (22, 150)
        color[_inside(x, y, u - size[0], v - size[1], u + size[0], v + size[1])] = (205, 212, 215)
    glow = 0.82 + 0.46 * np.exp(-(x * x / 2600.0 ** 2 + y * y / 2300.0 ** 2))
    return color * glow[:, None]


def _ceiling(p: np.ndarray) -> np.ndarray:
    x, y = p[:, 0], p[:, 1]
    color = np.full((len(p), 3), (172, 174, 176), np.float32)
    color[(np.mod(x, 600) < 14) | (np.mod(y, 600) < 14)] *= 0.9
    color[(np.mod(x + 1500, 3000) < 1200) & (np.mod(y + 1000, 2000) < 150)] = 252
    return color


def _wall(u: np.ndarray, v: np.ndarray, number: int) -> np.ndarray:
    """A painted wall with the light of lamps, a skirting board and its own furniture."""
    tone = np.array([(198, 206, 210), (186, 198, 208), (204, 204, 200), (192, 200, 200)], np.float32)[number]
    pools = sum(np.exp(-((u - c) / 620.0) ** 2 - ((v - 2050) / 820.0) ** 2) for c in (-2600, -700, 1300, 3000))
    color = tone * (0.8 + 0.3 * pools + 0.03 * _weave(u, v, 210.0))[:, None]
    if number == 0:  # screen and desk
        color[_inside(u, v, -1500, 900, 700, 2150)] = (176, 178, 182)
        color[_inside(u, v, -1500, 2130, 700, 2190)] = (60, 60, 62)
        color[_inside(u, v, 1300, 0, 2900, 760)] = (74, 92, 116)
        color[_inside(u, v, 1500, 760, 2050, 1130)] = (48, 44, 42)
    elif number == 1:  # door and shelf
        color[_inside(u, v, -700, 0, 300, 2100)] = (108, 134, 158)
        color[_inside(u, v, -620, 80, 220, 2020)] = (122, 150, 176)
        color[_inside(u, v, 900, 1250, 2500, 1300)] = (70, 70, 76)
        for k in range(9):
            color[_inside(u, v, 960 + 160 * k, 1300, 1080 + 160 * k, 1520 + 30 * (k * 5 % 4))] = (
                60 + 17 * (k * 7 % 9), 70 + 15 * (k * 4 % 9), 90 + 14 * (k * 2 % 9))
    elif number == 2:  # window with a blind, radiator
        color[_inside(u, v, -1900, 950, 1500, 2250)] = (226, 220, 208)
        color[_inside(u, v, -1900, 950, 1500, 2250) & (np.mod(v, 110) < 18)] *= 0.84
        color[_inside(u, v, 1900, 180, 3300, 880) & (np.mod(u, 120) > 22)] = (212, 218, 222)
    else:  # posters and a cupboard
        color[_inside(u, v, -2700, 0, -1500, 1900)] = (96, 108, 118)
        color[_inside(u, v, -2110, 0, -2090, 1900)] *= 0.6
        color[_inside(u, v, -400, 1150, 400, 2150)] = (130, 92, 64)
        color[_inside(u, v, -300, 1500, 300, 2050)] = (190, 196, 176)
        color[_inside(u, v, 1300, 1250, 2300, 1950)] = (92, 118, 152)
    color[v < 110] = (118, 124, 130)
    corner = np.clip((v - 110) / 700.0, 0, 1) * 0.14 + 0.86
    return color * corner[:, None]
