"""Poses of a split, second load: from its CSV files again, or from the index.

Baseline: np.genfromtxt of each file, less its root. It reads the first files only, all of them warm in the page cache.
The first scan, which also decodes each image, is timed once, to show what making the index costs.
"""
import baselines
import made_up
from measure import both_clocks, compare, same_within

from mmpose_integral.datasets.h80k_index import index_path, load_index, save_index, scan_split
from mmpose_integral.structures.skeleton import NUM_FILE_JOINTS

TITLE = 'Index: second load of the poses'


def add_arguments(parser):
    parser.add_argument('--index-files', type=int, default=8000, help='the real Train has 35832')
    parser.add_argument('--index-loop-files', type=int, default=1500, help='files of the baseline')


def run(args):
    """Rows of reading CSV files, of the index, and of making it."""
    count, first = (60, 20) if args.quick else (args.index_files, args.index_loop_files)
    made_up.write_split(args.work, 'Train', made_up.poses(count))
    start = both_clocks()
    index, faults = scan_split(args.work, 'Train')
    if faults:
        raise ValueError(f'the made-up split has faults: {faults[0]}')
    path = index_path(args.work, 'Train')
    save_index(index, path)
    wall, cpu = (both_clocks() - start) / count * 1e6
    files = sorted((args.work / 'Train' / 'POSE').iterdir())[:first]
    rows = compare(
        f'{count} files', {'np.genfromtxt of each': (lambda: baselines.read_poses(files), len(files)),
                           'load_index': (lambda: load_index(path).keypoints_mm[:, :NUM_FILE_JOINTS], count)},
        args.rounds or (2 if args.quick else 9), unit='file', target=50, check=same_within(0))
    return [*rows, dict(case='first time: scan, checks, images, save', contestant='scan_split', unit='file',
                        units=count, wall_us=float(wall), cpu_us=float(cpu))]
