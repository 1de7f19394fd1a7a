"""Serve a web page that shows the 3D pose of the people in a photo; Ctrl-C stops it.

The page is only reachable from this machine (127.0.0.1), unless --host names another address. It needs gradio and
plotly: `pip install gradio plotly`.
"""
import argparse
import os
import re
import socket
import sys
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path

from mmpose_integral.cli.argument_types import positive
from mmpose_integral.utils.launch import default_device

STANDIN_NOTE = ' This small model was trained on **rendered people** only. It works for the examples below only.'


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--model', metavar='NAME|CONFIG', help='name or alias of model-index.yml, a registered alias '
                        'such as official, or a config (default: photo after mmpose-integral get-model photo, else '
                        'standin, which is for rendered people only)')
    parser.add_argument('--checkpoint', help='weights of the model (default: those of the name)')
    parser.add_argument('--det-model', metavar='NAME|CONFIG', help='person detector, or whole_image (default: that of '
                        'the model, else RTMDet-m with public weights)')
    parser.add_argument('--det-weights', help='weights of the detector')
    parser.add_argument('--host', default='127.0.0.1', help='address to listen at; 0.0.0.0 for the whole network')
    parser.add_argument('--port', type=int, default=7860, help='port to listen at (default: %(default)s)')
    parser.add_argument('--trusted-host', action='append', default=[], metavar='NAME', help='further host name under '
                        'which the page is opened, for example that of a web server in front of it; repeatable')
    parser.add_argument('--auth', metavar='NAME:PASSWORD', help='require this login')
    parser.add_argument('--max-size-mb', type=positive, default=20, metavar='MB', help='largest photo (default: 20)')
    parser.add_argument('--device', default=default_device(), help='default: a GPU if there is one')
    args = parser.parse_args(argv)
    if not 0 < args.port < 65536:
        parser.error(f'--port: 1 to 65535 expected, got {args.port}')
    for name in args.trusted_host:
        if not re.fullmatch(r'[\w.-]+', name):
            parser.error(f'--trusted-host: a host name without scheme and port expected, got {name}')
    if args.auth is not None:
        args.auth = tuple(args.auth.split(':', 1))
        if len(args.auth) < 2 or not all(args.auth):
            parser.error('--auth: NAME:PASSWORD expected')
    return args


def check_port(host: str, port: int) -> None:
    """Raise OSError with a remedy if the page cannot be served there."""
    try:
        socket.create_server((host, port), family=socket.AF_INET6 if ':' in host else socket.AF_INET).close()
    except OSError as error:
        reason = (error.strerror or str(error)).split(' (')[0]
        raise OSError(f'the page cannot be served at {host}, port {port}: {reason}; give another --port, or an '
                      'address of this machine as --host') from None


def make_examples(folder: Path) -> list[Path]:
    """Render two pictures, of one person and of two, because the stand-in model is trained on rendered people only."""
    from mmpose_integral.synthetic.studio_frame import encode_jpeg, render_frame
    from mmpose_integral.synthetic.wild_frame import render_wild
    pictures = {folder / 'one_person.jpg': render_frame(7, 'val', 7, 256)[0],
                folder / 'two_people.jpg': render_wild(7, 'coco', 11, 256)[0]}
    for path, picture in pictures.items():
        path.write_bytes(encode_jpeg(picture))
    return list(pictures)


def run(args: argparse.Namespace, folder: Path) -> None:
    """Load the model and serve until Ctrl-C; the examples are written to ``folder``."""
    from mmpose_integral.apis import MMPoseInferencer
    from mmpose_integral.apis.model_zoo import is_image_based, load_sound_aliases
    from mmpose_integral.web.app import build_app, launch_app
    args.model = args.model or ('photo' if 'photo' in load_sound_aliases() else 'standin')
    if not is_image_based(args.model):
        raise ValueError(f'--model {args.model}: a model of this package expected, such as standin, official, or a '
                         'config with a --checkpoint')
    inferencer = MMPoseInferencer(pose3d=args.model, pose3d_weights=args.checkpoint, device=args.device,
                                  det_model=args.det_model, det_weights=args.det_weights)
    inferencer.inferencer.load_detector()  # now, so that the first photo does not take longer than others
    name = Path(args.model).stem if args.model.endswith('.py') else args.model
    standin = 'standin' in name
    app = build_app(inferencer, f'Model: **{name}** on {args.device}.' + STANDIN_NOTE * standin, args.max_size_mb,
                    make_examples(folder) if standin else ())
    if args.host not in ('127.0.0.1', 'localhost', '::1'):
        print(f'web demo: everybody who can reach {args.host}:{args.port} can use this page'
              + (' without a login (see --auth)' if args.auth is None else
                 ' after a login; photos and passwords are sent unencrypted'), file=sys.stderr)
    launch_app(app, args.host, args.port, args.auth, args.max_size_mb, args.trusted_host)


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    # gradio reads these variables when it is imported and when a component is made.
    os.environ['GRADIO_ANALYTICS_ENABLED'] = 'False'
    warnings.filterwarnings('ignore', message='pkg_resources is deprecated')
    check_port(args.host, args.port)
    with tempfile.TemporaryDirectory(prefix='web_demo_') as folder:
        os.environ['GRADIO_TEMP_DIR'] = str(Path(folder) / 'gradio')
        try:
            run(args, Path(folder))
        except ModuleNotFoundError as error:
            if error.name not in ('gradio', 'plotly'):
                raise
            raise OSError(f'{error.name} is not installed: pip install gradio plotly') from error
        except KeyboardInterrupt:
            print('web demo: stopped', file=sys.stderr)
    return 0
