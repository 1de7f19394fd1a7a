"""The same as `mmpose-integral photo-report`, for people who are used to the tools of MMPose."""
import sys

from mmpose_integral.cli.main import run_command

if __name__ == '__main__':
    sys.exit(run_command('photo-report'))
