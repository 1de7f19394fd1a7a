"""A web page that shows the 3D pose of the people in a photo; stop it with Ctrl-C.

The page is for this machine (127.0.0.1) unless --host says otherwise. It needs `pip install gradio plotly`.
"""
import argparse
import os
import socket
import sys
import tempfile
import warnings
from pathlib import Path

from mmpose_integral.utils.launch import default_device

_LOCAL = ('127.0.0.1', 'localhost', '::1')
_STANDIN_NOTE = ('It was trained on **rendered people** alone and small enough to travel with the code: the examples '
                 'below suit it, photos do not.')


def parse_args(args=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--model', default='standin', metavar='NAME|CONFIG',
                        help='name or alias of model-index.yml, a registered alias such as official, or a config')
    parser.add_argument('--checkpoint', help="the model's weights; a name brings its own")
    parser.add_argument('--det-model', metavar='NAME|CONFIG', help="person detector, or whole_image (default: the "
                        "model's own, else RTMDet-m with public weights)")
    parser.add_argument('--det-weights', help="the detector's weights")
    parser.add_argument('--host', default='127.0.0.1', help='address to listen at; 0.0.0.0 for the whole network')
    parser.add_argument('--port', type=int, default=7860)
    parser.add_argument('--auth', metavar='NAME:PASSWORD', help='visitors have to log in')
    parser.add_argument('--max-size-mb', type=float, default=20, metavar='MB', help='largest photo (default: 20)')
    parser.add_argument('--device', default=default_device())
    args = parser.parse_args(args)
    if not 0 < args.max_size_mb < float('inf'):
        parser.error(f'--max-size-mb: a positive number expected, got {args.max_size_mb}')
    if not 0 < args.port < 65536:
        parser.error(f'--port: 1 to 65535 expected, got {args.port}')
    if args.auth is not None:
        args.auth = tuple(args.auth.split(':', 1))
        if len(args.auth) < 2 or not all(args.auth):
            parser.error('--auth: NAME:PASSWORD expected')
    return args


def check_port(host, port):
    """Raise OSError with a remedy where nothing can be served, before the model is loaded."""
    try:
        socket.create_server((host, port), family=socket.AF_INET6 if ':' in host else socket.AF_INET).close()
    except OSError as error:
        reason = (error.strerror or str(error)).split(' (')[0]
        raise OSError(f'cannot serve at {host}, port {port}: {reason}; give another --port, or an address of this '
                      'machine as --host') from None


def make_examples(folder):
    """Two rendered pictures, one person and two; the stand-in model knows no other people."""
    from mmpose_integral.synthetic.studio_frame import encode_jpeg, render_frame
    from mmpose_integral.synthetic.wild_frame import render_wild
    pictures = dict(one_person=render_frame(7, 'val', 7, 256)[0], two_people=render_wild(7, 'coco', 11, 256)[0])
    for name, picture in pictures.items():
        (folder / f'{name}.jpg').write_bytes(encode_jpeg(picture))
    return [folder / f'{name}.jpg' for name in pictures]


def run(args, folder):
    """Load the model and serve until Ctrl-C; ``folder`` takes the examples."""
    from mmpose_integral.apis import MMPoseInferencer
    from mmpose_integral.apis.model_check import is_image_based
    from mmpose_integral.web.app import build_app, launch_app
    if not is_image_based(args.model):
        raise ValueError(f'--model {args.model}: a model of this package expected, such as standin, official, or a '
                         'config with a --checkpoint')
    inferencer = MMPoseInferencer(pose3d=args.model, pose3d_weights=args.checkpoint, device=args.device,
                                  det_model=args.det_model, det_weights=args.det_weights)
    inferencer.inferencer.load_detector()  # not in the first visitor's time
    name = Path(args.model).stem if args.model.endswith('.py') else args.model
    standin = 'standin' in name
    app = build_app(inferencer, f'Model: **{name}** on {args.device}. {_STANDIN_NOTE if standin else ""}',
                    args.max_size_mb, make_examples(folder) if standin else ())
    if args.host not in _LOCAL:
        print(f'web_demo: everybody who can reach {args.host}:{args.port} can use this page'
              + (': there is no login, see --auth' if args.auth is None else
                 ' after a login; photos and password travel unencrypted'), file=sys.stderr)
    launch_app(app, args.host, args.port, args.auth, args.max_size_mb)


def main(args=None):
    """Run the tool; returns the exit status."""
    args = parse_args(args)
    # gradio reads these when it is imported, or when a component is made.
    os.environ['GRADIO_ANALYTICS_ENABLED'] = 'False'
    warnings.filterwarnings('ignore', message='pkg_resources is deprecated')
    with tempfile.TemporaryDirectory(prefix='web_demo_') as folder:
        os.environ['GRADIO_TEMP_DIR'] = str(Path(folder) / 'gradio')
        try:
            check_port(args.host, args.port)
            run(args, Path(folder))
        except ModuleNotFoundError as error:
            if error.name not in ('gradio', 'plotly'):
                raise
            print(f'web_demo: {error.name} is not installed: pip install gradio plotly', file=sys.stderr)
            return 1
        except (OSError, ValueError) as error:
            print(f'web_demo: {error}', file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print('web_demo: stopped', file=sys.stderr)
    return 0


if __name__ == '__main__':
    sys.exit(main())
