"""Live streams of real servers: RTSP, RTMP, MPEG-TS over UDP, JPEG over HTTP, and HLS.

Each server sends a video in which the brightness of a frame is its number. Frames have to arrive in order, without a
gap, and at the rate of the video. Then the server is stopped without closing its connections: reading has to end within
the limit for streams. On Debian, the servers are installed by

    apt-get install ffmpeg nginx-light libnginx-mod-rtmp python3-gi gir1.2-gst-rtsp-server-1.0 \\
        gstreamer1.0-plugins-good gstreamer1.0-plugins-bad
"""
import argparse
import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from mmpose_integral.apis.file_kinds import kind_of
from mmpose_integral.apis.videos import STREAM_TIMEOUT_S, Video
from mmpose_integral.cli.main import run_safely

RATE, SECONDS, CYCLE = 15, 120, 100  # frames per second, length of the video, frames after which it repeats
_RTSP_SERVER = '''
import sys, gi
gi.require_version('Gst', '1.0')
gi.require_version('GstRtspServer', '1.0')
from gi.repository import GLib, Gst, GstRtspServer
Gst.init(None)
server, factory = GstRtspServer.RTSPServer(), GstRtspServer.RTSPMediaFactory()
factory.set_launch(f'( filesrc location={sys.argv[2]} ! qtdemux ! h264parse ! rtph264pay name=pay0 )')
server.set_service(sys.argv[1])
server.get_mount_points().add_factory('/camera', factory)
server.attach(None)
GLib.MainLoop().run()
'''
_RTMP_SERVER = '''
load_module /usr/lib/nginx/modules/ngx_rtmp_module.so;
daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/nginx.log;
events {{}}
rtmp {{ server {{ listen 127.0.0.1:{port}; application live {{ live on; }} }} }}
'''


def ffmpeg(*args: object) -> list[str]:
    return ['ffmpeg', '-nostdin', '-v', 'error', '-y', *map(str, args)]


def rtsp(video: Path, port: int) -> tuple[str, list[list[str]]]:
    return f'rtsp://127.0.0.1:{port}/camera', [['/usr/bin/python3', '-c', _RTSP_SERVER, str(port), str(video)]]


def rtmp(video: Path, port: int) -> tuple[str, list[list[str]]]:
    config, url = video.with_name('nginx.conf'), f'rtmp://127.0.0.1:{port}/live/camera'
    config.write_text(_RTMP_SERVER.format(folder=video.parent, port=port))
    return url, [['nginx', '-c', str(config)], ffmpeg('-re', '-i', video, '-c', 'copy', '-f', 'flv', url)]


def udp(video: Path, port: int) -> tuple[str, list[list[str]]]:
    url = f'udp://127.0.0.1:{port}'
    return url, [ffmpeg('-re', '-i', video, '-c', 'copy', '-f', 'mpegts', f'{url}?pkt_size=1316')]


def jpeg(video: Path, port: int) -> tuple[str, list[list[str]]]:
    url = f'http://127.0.0.1:{port}/camera.mjpg'
    return url, [ffmpeg('-re', '-i', video, '-c:v', 'mjpeg', '-q:v', 2, '-f', 'mpjpeg', '-listen', 1, url)]


def hls(video: Path, port: int) -> tuple[str, list[list[str]]]:
    folder = video.with_name('hls')
    folder.mkdir(exist_ok=True)
    return f'http://127.0.0.1:{port}/camera.m3u8', [
        [sys.executable, '-m', 'http.server', '--bind', '127.0.0.1', '--directory', str(folder), str(port)],
        ffmpeg('-re', '-i', video, '-c', 'copy', '-f', 'hls', '-hls_time', 2, folder / 'camera.m3u8')]


SERVERS: dict[str, Callable[[Path, int], tuple[str, list[list[str]]]]] = dict(
    rtsp=rtsp, rtmp=rtmp, udp=udp, jpeg=jpeg, hls=hls)


def draw(path: Path) -> Path:
    """Write a video of H.264 with a key frame per second; the grey level of frame n is 16 + 2 (n modulo 100)."""
    grey = f'geq=lum=16+mod(N\\,{CYCLE})*2:cb=128:cr=128'
    source = f'color=black:s=320x240:r={RATE}:d={SECONDS},{grey}'
    command = ffmpeg('-f', 'lavfi', '-i', source, '-c:v', 'libx264', '-pix_fmt', 'yuv420p', '-g', RATE, '-bf', 0, path)
    subprocess.run(command, check=True)  # nosec B603
    return path


@contextlib.contextmanager
def running(commands: Sequence[Sequence[str]]) -> Iterator[list[subprocess.Popen]]:
    """Run the processes of a server; each has a second to start."""
    processes: list[subprocess.Popen] = []
    try:
        for command in commands:
            quiet = dict(stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            processes.append(subprocess.Popen(command, **quiet))  # nosec B603
            time.sleep(1)
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.wait()


def free_port() -> int:
    with socket.create_server(('127.0.0.1', 0)) as found:
        return found.getsockname()[1]


def opened(url: str, patience_s: float = 20) -> Video:
    """Open a stream; a server may need some seconds before it has a first picture."""
    end = time.monotonic() + patience_s
    while True:
        try:
            return Video(url, is_stream=kind_of(url) == 'stream')
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.5)


def measure(url: str, processes: list[subprocess.Popen], count: int) -> dict[str, float]:
    """Read frames of a stream, stop its server, and read to the end."""
    start = time.monotonic()
    video = opened(url)
    row, numbers, times, frames = dict(opened_s=time.monotonic() - start), [], [], iter(video)
    for image, time_s in frames:
        numbers.append(round((image.mean() / 255 * 219) / 2))
        times.append(time_s)
        if len(numbers) == count:
            break
    steps = np.diff(numbers) % CYCLE
    last = np.array(times[-count // 3:])  # after the frames that were sent while the stream was opened
    row.update(frames=len(numbers), gaps=int((steps != 1).sum()), rate=(len(last) - 1) / (last[-1] - last[0]))
    for process in processes:
        os.kill(process.pid, signal.SIGSTOP)
    start = time.monotonic()
    row.update(after_stop=len(list(frames)), ended_s=time.monotonic() - start, silent=video.is_silent)
    return row


def passed(row: dict[str, float], count: int) -> bool:
    # HLS sends the frames of two seconds at once, so that its rate is rough.
    return bool(row['frames'] == count and row['gaps'] == 0 and abs(row['rate'] / RATE - 1) < 0.25 and row['silent']
                and row['ended_s'] < 1.5 * STREAM_TIMEOUT_S)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--servers', nargs='+', choices=SERVERS, default=list(SERVERS), help='default: all')
    parser.add_argument('--count', type=int, default=300, help='frames to read (default: 300)')
    args = parser.parse_args(argv)
    failed = []
    with tempfile.TemporaryDirectory() as folder:
        video = draw(Path(folder) / 'numbers.mp4')
        os.environ['OPENCV_LOG_LEVEL'] = 'ERROR'
        for name in args.servers:
            url, commands = SERVERS[name](video, free_port())
            with running(commands) as processes:
                row = measure(url, processes, args.count)
            print(name, *(f'{key} {value:.3g}' for key, value in row.items()), sep='  ', flush=True)
            failed += [] if passed(row, args.count) else [name]
    print(f'failed: {", ".join(failed)}' if failed else 'all passed')
    return int(bool(failed))


if __name__ == '__main__':
    raise SystemExit(run_safely(main))
