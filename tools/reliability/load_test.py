"""Load on the inferencer and the web demo: memory, threads and open files while they work, and equal answers.

    load_test.py frames --count 10000       the inferencer over a folder of small pictures
    load_test.py batches --sizes 2 8 32     answers of batches beside those of single images
    load_test.py web --visitors 30          rounds of visitors that send a photo at the same time

The pictures are those of the stand-in data, the model is the package's. A table is printed as it grows.
"""
import argparse
import json
import os
import secrets
import socket
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import torch

from mmpose_integral.apis import MMPoseInferencer
from mmpose_integral.cli.main import run_safely
from mmpose_integral.synthetic import make_standin

PICTURES = 32


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('load', choices=('frames', 'batches', 'web'))
    parser.add_argument('--count', type=int, default=10_000, help='frames: number of pictures (default: 10000)')
    parser.add_argument('--batch-size', type=int, default=1, help='frames: pictures per batch (default: 1)')
    parser.add_argument('--sizes', type=int, nargs='+', default=[2, 8, 32], help='batches: sizes (default: 2 8 32)')
    parser.add_argument('--mixed', action='store_true', help='batches: pictures of different sizes')
    parser.add_argument('--photos', type=Path, help='batches: folder of other pictures')
    parser.add_argument('--model', default='standin', help='model of frames and batches (default: standin)')
    parser.add_argument('--visitors', type=int, default=30, help='web: visitors at once (default: 30)')
    parser.add_argument('--rounds', type=int, default=6, help='web: number of rounds (default: 6)')
    return parser.parse_args(argv)


def usage() -> dict[str, int]:
    """Memory of this process now and at most, MB, and its threads and open files."""
    status = dict(line.split(':', 1) for line in Path('/proc/self/status').read_text().splitlines())
    memory, most = (int(status[name].split()[0]) // 1024 for name in ('VmRSS', 'VmHWM'))
    return dict(memory_mb=memory, most_mb=most, threads=int(status['Threads']), files=len(os.listdir('/proc/self/fd')))


def show(row: dict[str, object]) -> None:
    print('  '.join(f'{name} {value}' for name, value in row.items()), flush=True)


def pictures(folder: Path) -> list[Path]:
    """Draw stand-in frames, 128x128 px, into a folder."""
    make_standin(folder, num_train=PICTURES, num_val=0, num_test=0, num_mpii=0, num_coco=0, image_size=128,
                 num_workers=1, progress=False)
    return sorted((folder / 'h80k' / 'Train' / 'IMG').glob('*.jpg'))


def frames(args: argparse.Namespace, folder: Path) -> int:
    """Run the inferencer over many pictures; memory may grow by 5 % after the first tenth of them."""
    files, many = pictures(folder), folder / 'many'
    many.mkdir()
    for number in range(args.count):
        (many / f'{number:06d}.jpg').hardlink_to(files[number % len(files)])
    inferencer, rows, people = MMPoseInferencer(pose3d=args.model), [], 0
    for number, result in enumerate(inferencer(str(many), batch_size=args.batch_size), 1):
        people += len(result['predictions'][0])
        if number % max(1, args.count // 20) == 0:
            rows.append(usage())
            show(dict(frames=number, people=people, **rows[-1]))
    rows = rows[len(rows) // 10:]
    flat = all(len({row[name] for row in rows}) == 1 for name in ('threads', 'files'))
    memory = [row['memory_mb'] for row in rows]
    print(f'memory from {min(memory)} to {max(memory)} MB, {rows[-1]["threads"]} threads, {rows[-1]["files"]} files')
    return int(not flat or max(memory) > 1.05 * memory[0])


def images_of(args: argparse.Namespace, folder: Path) -> list[np.ndarray]:
    files = pictures(folder) if args.photos is None else sorted(args.photos.iterdir())[:PICTURES]
    images = [image for path in files if (image := cv2.imread(str(path))) is not None]
    if not args.mixed:
        return images
    scales = np.random.default_rng(0).uniform(0.7, 2.5, (len(images), 2))
    return [cv2.resize(image, None, fx=x, fy=y) for image, (x, y) in zip(images, scales, strict=True)]


def batches(args: argparse.Namespace, folder: Path) -> int:
    """Compare the people of batches with those of single images, with detected boxes and with given ones."""
    images, largest = images_of(args, folder), 0.0
    inferencer = MMPoseInferencer(pose3d=args.model)
    whole = [np.array([[0, 0, *image.shape[1::-1]]]) for image in images]
    for boxes, options in (('detected', {}), ('whole image', dict(bboxes=whole))):
        single, *others = ([result['predictions'][0] for result in inferencer(images, batch_size=size, **options)]
                           for size in (1, *args.sizes))
        for size, found in zip(args.sizes, others, strict=True):
            if [*map(len, single)] != [*map(len, found)]:
                raise SystemExit(f'batches of {size}: other numbers of people than single images')
            pairs = [pair for both in zip(single, found, strict=True) for pair in zip(*both, strict=True)]
            mm = max(np.abs(np.subtract(a['keypoints'], b['keypoints'])).max() for a, b in pairs)
            px = max(np.abs(np.subtract(a['bbox'], b['bbox'])).max() for a, b in pairs)
            largest = max(largest, mm)
            show(dict(boxes=boxes, batch=size, people=len(pairs), largest_mm=f'{mm:.2g}', box_px=f'{px:.2g}'))
    return int(largest > 0.5)


class Visitor:
    """A client of the web demo: it sends a photo, and waits for the answer."""

    def __init__(self, url: str) -> None:
        import httpx
        # Without certificates, which would take 1 MB per client. The server runs on this machine and uses http.
        self.http = httpx.Client(base_url=url, timeout=600, verify=False)  # nosec B501
        self.session = secrets.token_hex(8)
        self.http.get('/')
        config = self.http.get('/config').json()
        self.analyse = next(each['id'] for each in config['dependencies'] if len(each['inputs']) == 3)

    def visit(self, photo: bytes) -> str:
        """'answered', 'full' if the queue has no room, or the message of an error."""
        path = self.http.post('/gradio_api/upload', files=dict(files=('photo.jpg', photo))).json()[0]
        data = [dict(path=path, meta=dict(_type='gradio.FileData')), False, None]
        joined = self.http.post('/gradio_api/queue/join', json=dict(
            data=data, fn_index=self.analyse, session_hash=self.session))
        if joined.status_code == 503:
            return 'full'
        message = next(each for each in self.messages() if each.get('msg') == 'process_completed')
        return 'answered' if message['success'] else str(message['output'].get('error'))

    def messages(self) -> Iterator[dict]:
        params = dict(session_hash=self.session)
        with self.http.stream('GET', '/gradio_api/queue/data', params=params) as answer:
            for line in answer.iter_lines():
                yield json.loads(line[6:]) if line else {}


def web(args: argparse.Namespace, folder: Path) -> int:
    """Serve the demo in this process, with rounds of visitors, each with a photo of 12 megapixels."""
    from mmpose_integral.web.app import build_app, launch_app
    os.environ['GRADIO_TEMP_DIR'] = str(folder / 'uploads')
    image = cv2.resize(cv2.imread(str(pictures(folder)[0])), (3000, 4000))
    photo = cv2.imencode('.jpg', image)[1].tobytes()
    with socket.create_server(('127.0.0.1', 0)) as found:
        port = found.getsockname()[1]
    app = build_app(MMPoseInferencer(pose3d=args.model))
    url = launch_app(app, port=port, block=False)
    show(dict(round=0, **usage()))
    rows = []
    for number in range(1, args.rounds + 1):
        crowd = [Visitor(url) for _ in range(args.visitors)]
        with ThreadPoolExecutor(args.visitors) as pool:
            answers = list(pool.map(lambda visitor: visitor.visit(photo), crowd))
        for visitor in crowd:
            visitor.http.close()
        rows.append(usage())
        show(dict(round=number, **{answer: answers.count(answer) for answer in sorted(set(answers))}, **rows[-1]))
    app.close()
    middle = rows[len(rows) // 2]  # the first rounds fill caches
    return int(rows[-1]['most_mb'] > 1.05 * middle['most_mb'] or not set(answers) <= {'answered', 'full'})


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as folder:
        return getattr(sys.modules[__name__], args.load)(args, Path(folder))


if __name__ == '__main__':
    raise SystemExit(run_safely(main))
